"""`dead-letters`: listed, shown, redriven, discarded."""
