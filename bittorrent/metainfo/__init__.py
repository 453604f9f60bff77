"""What is shared: torrents and magnet links, read, checked and written. Pure but for the reading of files."""
