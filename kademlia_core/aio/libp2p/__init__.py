"""The shell of libp2p's DHT: a node on a host that opens streams to peers."""
