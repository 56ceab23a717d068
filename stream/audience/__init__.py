"""Audiences and traits computed elsewhere: compared with the last sync, written to the topic as identify events."""
