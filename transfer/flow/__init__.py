"""Flow control and closing of streams, whatever carries them."""
