"""How much a sender has on its way: controllers from Reno to BBR, and what they stand on. Pure."""
