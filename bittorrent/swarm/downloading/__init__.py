"""What comes in: blocks on their way to pieces, and the peers that sent them."""
