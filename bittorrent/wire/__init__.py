"""The peer wire protocol as pure codecs: handshake, frames, messages, extension protocol, metadata exchange."""
