"""Pure functions of an event: decode, filter, request, signing, outcome."""
