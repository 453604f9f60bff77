"""Bounds on what others may cost us."""
