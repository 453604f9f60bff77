"""The engine of every Kademlia node: its table, its lookups, joining and upkeep. It sends nothing itself.

What is said, and how it travels, is up to the `QueryPort` that an engine is given: datagrams in
`kademlia_core.datagram`, streams elsewhere. Endpoints are opaque here; an `EndpointPolicy` knows about them.
"""
