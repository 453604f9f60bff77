"""uTP (BEP 29): ordered bytes over datagrams, as deployed clients speak it. Pure: `transfer.aio.utp` is its shell."""
