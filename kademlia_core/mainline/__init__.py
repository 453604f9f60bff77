"""The BitTorrent mainline DHT (BEP 5) as pure machines."""
