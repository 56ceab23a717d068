"""The HTTP edge: sends requests to workflows, and guards where they go."""
