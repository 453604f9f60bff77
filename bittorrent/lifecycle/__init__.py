"""What state a torrent is in, and when it has done its work."""
