"""A server as one more peer (BEP 19)."""
