"""The live view: what `tray-stream top` reads from a metrics endpoint, makes of it, and shows."""
