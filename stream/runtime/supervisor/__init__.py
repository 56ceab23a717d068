"""Several worker processes and the one that watches them."""
