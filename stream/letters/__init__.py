"""Dead letters brought back, or ended, by commands: read, planned, delivered again, marked."""
