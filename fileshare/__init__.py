"""The application: the command `kad`."""
