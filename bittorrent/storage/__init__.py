"""Where the bytes of a torrent are: files at their place, what is already in them, what a second start needs."""
