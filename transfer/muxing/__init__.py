"""Many streams over one connection: what all muxers have in common, and yamux. Cores, without an event loop."""
