"""What the system's TCP tells of a connection, and what it can be told. Pure."""
