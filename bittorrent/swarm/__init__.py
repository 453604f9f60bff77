"""All connections of one torrent."""
