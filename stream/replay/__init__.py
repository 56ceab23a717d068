"""`replay`: events of a range sent again beside the live processor."""
