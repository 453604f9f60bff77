"""asyncio shells of `bittorrent`: connections, disk, trackers, torrents, the session."""
