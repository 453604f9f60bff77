"""Files and worker threads on the event loop."""
