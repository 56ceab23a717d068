"""Wiring: settings become edges and an engine; start, watch, stop. The only package that imports everything."""
