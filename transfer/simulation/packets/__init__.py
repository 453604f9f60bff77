"""Streams in packets, under a congestion controller: what waits, what is under way, and the flow that knows both."""
