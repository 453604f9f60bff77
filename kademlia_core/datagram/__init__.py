"""Nodes that talk in datagrams: an engine, and what keeps it honest and unharmed where senders may be forged."""
