"""Trackers over HTTP that answer with the worst: each announcement ends soon, with one line, and few bytes."""

from __future__ import annotations

from functools import partial

import pytest

from bittorrent.dialling.targets import PRIVATE
from tests.simulation import bad_servers
from tests.simulation.bad_servers import ROUTER, TRACKER
from transfer.simulation import run

TOO_LONG = "its answer is longer than 1048576 bytes"
TOO_LATE = "it did not answer in time"
SAID = {
    "a bomb": TOO_LONG,
    "nothing, packed": TOO_LONG,
    "an endless body": TOO_LONG,
    "a body that is said to be endless": TOO_LONG,
    "endless chunks": TOO_LONG,
    "endless headers": "its answer is not HTTP: ",
    "one endless header": "its answer is not HTTP: ",
    "a header a second": TOO_LATE,
    "a byte a second": TOO_LATE,
    "silence": TOO_LATE,
    "no HTTP": "its answer is not HTTP: ",
    "a redirect to the router": PRIVATE,
    "a redirect to a name of the router": PRIVATE,
    "a redirect to this machine": PRIVATE,
    "a redirect to itself": "it redirects more than 5 times",
    "a redirect to a file": "file is not HTTP",
    "a redirect to nowhere": "it redirects more than 5 times",
    "too little": "Response payload is not completed",
    "another packing": "it packs its answer as br, which was not asked for",
    "broken packing": "its answer cannot be unpacked",
    "deep nesting": "the answer is not that of a tracker",
}


@pytest.mark.parametrize("name", bad_servers.REPLIES)
def test_a_reply_ends_the_announcement(name: str) -> None:
    judged = run(partial(bad_servers.judge, reply=bad_servers.REPLIES[name])).result
    assert judged.error.startswith(f"http://{TRACKER}: {SAID[name]}")
    assert "info_hash" not in judged.error, "the rest of a URL may hold a passkey"
    assert "\n" not in judged.error
    assert judged.took_s < 41
    assert judged.sent_bytes < 3 << 20
    assert judged.router_heard == 0


@pytest.mark.parametrize("path", ["/reboot", "/admin/reboot?really=yes", "/?really=yes", "/announce/../reboot"])
def test_a_torrent_cannot_make_us_call_what_is_no_tracker_in_the_local_network(path: str) -> None:
    reply = bad_servers.REPLIES["no HTTP"]
    judged = run(partial(bad_servers.judge, reply=reply, url=f"http://{ROUTER}{path}")).result
    assert judged.router_heard == 0
    assert judged.error == f"http://{ROUTER}: {PRIVATE}"


@pytest.mark.parametrize("path", ["/announce", "/passkey/announce.php", "/announce?passkey=1", "", "/"])
def test_a_tracker_in_the_local_network_is_called(path: str) -> None:
    reply = bad_servers.REPLIES["no HTTP"]
    assert run(partial(bad_servers.judge, reply=reply, url=f"http://{ROUTER}{path}")).result.router_heard == 1
