"""What makes a stream of bytes unreadable, or unrecognisable, to others. Pure."""
