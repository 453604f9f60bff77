"""How two peers agree on what they speak on a connection or stream."""
