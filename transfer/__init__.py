"""Moving bytes: endpoints, wire codecs, transports and limits that every other package stands on."""
