"""Sharing files with the BitTorrent world."""
