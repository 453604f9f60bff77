"""Muxed connections in asyncio."""
