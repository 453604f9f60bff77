"""Congestion controllers from Reno to BBR beside published figures: loss, buffers, sharing, completion times."""
