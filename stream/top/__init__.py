"""`top`: a running processor in the terminal."""
