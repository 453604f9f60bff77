"""The ground floor: how a torrent is cut into pieces and blocks, and sets of them."""
