"""Download videos from a server."""
