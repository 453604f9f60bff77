"""Codecs shared by several protocols: pure functions from bytes to values and back."""
