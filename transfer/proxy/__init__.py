"""Proxies that carry streams and datagrams: SOCKS5 and HTTP CONNECT. Pure."""
