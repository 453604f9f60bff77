"""Trackers: the HTTP messages (BEP 3, 7, 23), the UDP machine (BEP 15, 41), and when to announce what (BEP 12)."""
