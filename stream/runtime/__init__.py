"""A process that processes: wiring, groups, what is asked at start, reload."""
