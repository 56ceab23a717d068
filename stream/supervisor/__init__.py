"""Several workers, each a process of its own in the same consumer group, and the supervisor that keeps them running."""
