"""One connection: its state, its messages, and how much is asked of it."""
