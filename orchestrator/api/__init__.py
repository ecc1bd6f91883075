"""The HTTP API: parses, calls, renders."""
