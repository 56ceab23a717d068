"""What the program tells the outside: metrics, health, logs and the trace."""
