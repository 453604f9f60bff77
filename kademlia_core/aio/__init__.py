"""The asyncio shells of this package: sockets, clocks and randomness for the pure cores."""
