"""How quickly a DHT node answers and looks things up, beside libtorrent and the `kademlia` package."""
