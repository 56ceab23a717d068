"""The state of a process in words and numbers, for /status.json, the status page and `top`."""
