"""A libp2p host on an event loop."""
