"""What goes out: the peers that are served, and with what."""
