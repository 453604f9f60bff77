"""Which block to ask from which peer: rarity, what is under way, and the picker over them."""
