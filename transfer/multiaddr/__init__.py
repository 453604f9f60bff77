"""Addresses that say all that it takes to reach a peer, one protocol on top of the other (multiformats/multiaddr)."""
