"""`tray-stream demo`: the real processor on an embedded broker, with workflows on this machine."""
