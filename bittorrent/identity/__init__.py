"""What torrents are known by."""
