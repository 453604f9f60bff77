"""Message stream encryption of the BitTorrent world (MSE/PE): both sides of its handshake, as machines. Pure."""
