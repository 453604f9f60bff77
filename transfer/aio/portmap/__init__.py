"""Port mapping on real sockets: the shells of `transfer.portmap`."""
