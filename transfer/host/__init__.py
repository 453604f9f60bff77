"""What a libp2p host decides and remembers, without any I/O."""
