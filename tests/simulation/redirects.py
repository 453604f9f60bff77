"""Servers of the internet that try to lead us into the local network, by every kind of redirect."""

from __future__ import annotations

from aiohttp import web

from bittorrent.aio.sources.guarded_http import GuardedHttp, HttpConfig, read_body
from bittorrent.aio.sources.http_proxy import RefusedError
from transfer.simulation import Simulation, scenario

PUBLIC, ALSO_PUBLIC, ROUTER, US = "8.8.8.8", "9.9.9.9", "192.168.1.1", "192.168.1.50"


@scenario()
async def a_public_server_redirects(simulation: Simulation) -> dict[str, str]:
    """What came of each request: the body, or why there is none."""
    names = {"public.example": PUBLIC, "also.example": ALSO_PUBLIC, "rebind.example": ROUTER, "router.home": ROUTER}
    for name, address in names.items():
        simulation.names[name] = address
    simulation.names["mixed.example"] = (PUBLIC, ROUTER)
    targets = {
        "to-public": "http://also.example/",
        "to-address": f"http://{ROUTER}/reboot",
        "to-name": "http://rebind.example/reboot",
        "to-mapped": f"http://[::ffff:{ROUTER}]/reboot",
        "to-loopback": "http://127.0.0.1/reboot",
        "by-two-steps": "http://also.example/to-name",
        "relative": "/to-public",
        "scheme": "file:///etc/passwd",
        "raw-space": "http://also.example/a b [1] 100% ü|x?q=a b",  # libtorrent#7640
        "escaped": "http://also.example/a%20b",
    }
    reached: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        reached.append(request.path)
        name = request.path.lstrip("/")
        if name in targets:
            return web.Response(status=302, headers={"Location": targets[name]})
        return web.Response(text=f"from {request.host}")

    runners = []
    for host in (PUBLIC, ALSO_PUBLIC, ROUTER):
        with simulation.host(host):
            application = web.Application()
            application.router.add_get("/{path:.*}", answer)
            runner = web.AppRunner(application)
            await runner.setup()
            await web.TCPSite(runner, "0.0.0.0", 80).start()
            runners.append(runner)

    outcome: dict[str, str] = {}
    with simulation.host(US):
        http = GuardedHttp(HttpConfig(connect_timeout_s=5, read_timeout_s=5))

        async def ask(url: str) -> str:
            try:
                async with http.get(url) as response:
                    return (await read_body(response, max_bytes=1000)).decode()
            except RefusedError as error:
                return str(error)

        for name in targets:
            outcome[name] = await ask(f"http://public.example/{name}")
        # Who is in the local network anyway may redirect within it.
        outcome["private itself"] = await ask("http://router.home/to-address")
        outcome["no redirect"] = await ask("http://router.home/")
        # Who has a foot in the internet is not in the local network.
        outcome["from both"] = await ask("http://mixed.example/to-address")
        await http.aclose()
        http = GuardedHttp(HttpConfig(connect_timeout_s=5, read_timeout_s=5, allow_private=True))
        outcome["allowed"] = await ask("http://public.example/to-address")
        await http.aclose()
    for runner in runners:
        await runner.cleanup()
    outcome["reboots"] = str(reached.count("/reboot"))
    outcome["raw"] = str([path for path in reached if path.startswith("/a b")])
    return outcome
