"""The engine of a node: transactions, searches, joining, upkeep. What is said on the wire is up to a dialect."""
