"""What attackers cost a session: connection attempts, squatters, slow handshakes, reconnect storms, few descriptors."""
