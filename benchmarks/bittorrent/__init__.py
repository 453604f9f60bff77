"""How fast torrents move, beside libtorrent and aria2 in the same run: `python -m benchmarks.bittorrent download`."""
