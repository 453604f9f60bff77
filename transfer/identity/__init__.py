"""Who a node is in libp2p's world: keys, peer ids, and what a key has signed."""
