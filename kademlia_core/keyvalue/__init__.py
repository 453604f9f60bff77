"""A private network for keys and values: the STORE and FIND_VALUE of the Kademlia paper as a dialect."""
