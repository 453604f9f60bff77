"""Which block to ask from which peer: geometry, bitfields, rarity, what is under way, and the picker over them."""
