"""Which peers to call, which to let in, and which make room."""
