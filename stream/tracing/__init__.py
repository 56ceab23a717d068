"""Spans of deliveries and attempts, sent to an OpenTelemetry collector; needs the extra `tray-stream[otel]`."""
