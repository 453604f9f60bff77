"""asyncio shells of `transfer`."""
