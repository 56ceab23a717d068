"""Plain values that everything may import: records, events, policies, errors, ports, statistics."""
