"""`check`: what could stop a run, found before it starts."""
