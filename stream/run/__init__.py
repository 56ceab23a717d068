"""`run`: the processor, in one process or several."""
