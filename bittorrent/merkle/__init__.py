"""Trees of hashes over the blocks of a file: rows of nodes, proofs, and hashers of pieces (BEP 52)."""
