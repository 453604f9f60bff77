"""Connections on the event loop."""
