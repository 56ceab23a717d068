"""`offsets`: what the groups have committed, and setting it."""
