"""The files that a torrent consists of: names, paths, and where each lies in its bytes."""
