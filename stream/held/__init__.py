"""`held`: what is held by a running processor, and the lines that give it up."""
