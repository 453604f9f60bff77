"""Nodes that talk in datagrams: an engine, and what keeps it honest and unharmed where anybody may forge a sender."""
