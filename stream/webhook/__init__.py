"""The HTTP edge: sends requests to workflows and says what came back."""
