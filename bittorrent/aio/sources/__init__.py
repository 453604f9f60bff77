"""Where a torrent's peers and pieces are found: trackers, DHT, local discovery, web seeds."""
