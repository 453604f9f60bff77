"""One node that answers whoever asks, as a process of its own.

Started with its name and the loopback addresses of nodes to meet. It prints its port, then for each line on standard
input its CPU seconds so far and how many nodes it knows; the end of standard input ends it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.bittorrent.usage import cpu_s


def libtorrent(contacts: list[tuple[str, int]]) -> None:
    import libtorrent as lt

    settings = {
        "listen_interfaces": "127.0.0.1:0",
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "dht_bootstrap_nodes": "",
        "dht_restrict_routing_ips": False,
        "dht_restrict_search_ips": False,
        "dht_ignore_dark_internet": False,
        "dht_enforce_node_id": False,
        "dht_prefer_verified_node_ids": False,
        "dht_block_ratelimit": 1_000_000_000,
        "dht_upload_rate_limit": 1_000_000_000,
        "alert_mask": 0,
    }
    start: Any = lt.session  # the stub does not know that a plain dict does
    session = start(settings)
    time.sleep(1.0)
    for contact in contacts:
        session.add_dht_node(contact)

    def nodes() -> int:
        session.post_session_stats()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            session.wait_for_alert(100)
            for alert in session.pop_alerts():
                if isinstance(alert, lt.session_stats_alert):
                    return int(alert.values["dht.dht_nodes"])
        return -1

    serve(session.listen_port(), nodes)


def ours(contacts: list[tuple[str, int]], *, with_extra: bool) -> None:
    from kademlia_core import MainlineConfig, MainlineNode
    from transfer import RateLimitConfig

    open_wide = RateLimitConfig(per_host_per_s=1e9, per_host_burst=1e9, total_per_s=1e9, total_burst=1e9)

    async def run() -> None:
        config = MainlineConfig(rate_limit=open_wide)
        async with MainlineNode(host="127.0.0.1", bootstrap=(), config=config) as node:
            for contact in contacts:
                node.add_node(contact)
                await asyncio.sleep(0.002)
            await serve_beside(node.address.port, lambda: node.statistics().nodes)

    run_on_loop(run, with_uvloop=with_extra)


def package(contacts: list[tuple[str, int]]) -> None:
    """Its nodes take whoever asks them, so the crowd asks."""
    from kademlia.network import Server  # type: ignore[import-untyped]  # it ships no types

    async def run() -> None:
        server = Server()
        await server.listen(0, interface="127.0.0.1")
        port = server.transport.get_extra_info("sockname")[1]
        await serve_beside(port, lambda: sum(len(bucket) for bucket in server.protocol.router.buckets))
        await asyncio.sleep(1.0)  # its tasks are still answering
        server.stop()

    run_on_loop(run, with_uvloop=False)


def run_on_loop(run: Callable[[], Any], *, with_uvloop: bool) -> None:
    if with_uvloop:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())
    else:
        asyncio.run(run())


async def serve_beside(port: int, nodes: Callable[[], int]) -> None:
    """`serve` in a thread that sleeps nearly always, so the event loop is the node's."""
    await asyncio.to_thread(serve, port, nodes)


def serve(port: int, nodes: Callable[[], int]) -> None:
    print(json.dumps({"port": port}), flush=True)
    for _ in sys.stdin:
        print(json.dumps({"cpu_s": cpu_s(), "nodes": nodes()}), flush=True)


def main() -> None:
    name, contacts = sys.argv[1], [(host, port) for host, port in json.loads(sys.stdin.readline())]
    if name == "libtorrent":
        libtorrent(contacts)
    elif name == "package":
        package(contacts)
    else:
        if name == "plain":
            sys.modules["bencode2"] = None  # type: ignore[assignment]  # as if the extra were not installed
        ours(contacts, with_extra=name == "ours")


if __name__ == "__main__":
    main()
