"""Nodes of files' trees in a swarm: asking peers for them, and answering peers that ask (BEP 52)."""
