"""yamux as libp2p speaks it (`/yamux/1.0.0`)."""
