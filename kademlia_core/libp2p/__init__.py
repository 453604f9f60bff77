"""The Kademlia dialect of libp2p, `/ipfs/kad/1.0.0` and its likes: protobuf messages over streams to peers."""
