"""Hole punching (BEP 55): peers that none can call are brought together by one that both are connected with."""
