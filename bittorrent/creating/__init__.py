"""Making torrents of what is on a disk."""
