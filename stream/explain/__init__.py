"""`explain`: one event, and what becomes of it."""
