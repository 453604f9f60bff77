"""Noise as libp2p speaks it: XX, X25519, ChaCha20-Poly1305, SHA-256 (specs/noise)."""
