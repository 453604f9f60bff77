"""Streams and datagrams through a proxy: sockets and tasks around the machines of `transfer.proxy`."""

from transfer.aio.proxy.datagrams import open_proxy_port
from transfer.aio.proxy.streams import ProxyTransport

__all__ = ["ProxyTransport", "open_proxy_port"]
