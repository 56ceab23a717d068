"""The main sender: HTTP/1.1 written and read by callbacks of the event loop, without a task per request."""
