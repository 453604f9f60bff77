"""Why a download is as slow as it is: what holds up each peer, and what follows for the torrent. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from bittorrent.picker.picker import PiecePicker
from bittorrent.stats import TorrentState
from bittorrent.swarm.core import SwarmCore
from bittorrent.swarm.peer import SwarmPeer
from transfer.address import Address


class SlowReason(Enum):
    """What decides how fast data comes. Those of the second group can be said of a single peer, too."""

    STOPPED = "stopped"
    PAUSED = "paused"
    CHECKING = "checking"  # what is on disk is being hashed
    FINISHED = "finished"  # nothing is wanted any more
    NO_PEERS = "no peers"  # nobody is connected
    NO_METADATA = "no metadata"  # nobody has sent what a magnet link stands for, so far
    NO_LAYERS = "no layers"  # the metadata is here, and not all hashes that the pieces are verified with
    DISK_LIMITED = "disk limited"  # so much waits to be written that nothing more is asked for
    RATE_LIMITED = "rate limited"  # a limit that was set is used up

    NOTHING_NEEDED = "nothing needed"  # the peer has nothing that is wanted here
    CHOKED = "choked"  # the peer serves others
    SNUBBED = "snubbed"  # it said that it serves us, but sends nothing
    REFUSED = "refused"  # the same, but it rejects what it is asked for
    WAITING = "waiting"  # it was asked not long ago, and has sent nothing lately
    ALL_REQUESTED = "all requested"  # what the peer has is on order from others
    QUEUE_LIMITED = "queue limited"  # it takes fewer requests at a time than its rate would need
    REMOTE_SLOW = "remote slow"  # it sends what it can


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One moment of a torrent.

    Attributes:
        reason: what matters most.
        text: one line for people: what it is, and what can be done.
        rate_bytes_per_s: of the download.
        peers: what holds up how many of the connected peers.
    """

    reason: SlowReason
    text: str
    rate_bytes_per_s: float
    peers: Mapping[SlowReason, int]

    def __str__(self) -> str:
        return self.text


def explain(
    core: SwarmCore, *, state: TorrentState, is_paused: bool, loneliness: str, servers: str = "", now: float
) -> Explanation:
    """Why the download is as slow as it is now.

    Args:
        loneliness: what to say when nobody is connected.
        servers: what is wrong with web seeds; said when nobody sends anything.
    """
    peers = Counter(held_up_by(peer, core.picker, now=now) for peer in core.peers.values() if not peer.core.is_closed)
    reason = _reason(core, peers, state=state, is_paused=is_paused, now=now)
    count = sum(peers.values())
    whom = "1 peer" if count == 1 else f"{count} peers"
    text = loneliness if reason is SlowReason.NO_PEERS else _TEXTS[reason].format(whom=whom, count=peers[reason])
    if reason is SlowReason.NO_LAYERS:
        text = text.format(layers=layers_text(core))
    if servers and reason in (SlowReason.NOTHING_NEEDED, *_SENDING_NOTHING):
        text = f"{text}; {servers}"
    introduced = [peer.introduced_by for peer in core.peers.values() if peer.introduced_by and not peer.core.is_closed]
    if introduced and reason not in (SlowReason.STOPPED, SlowReason.PAUSED):
        text = f"{text} ({len(introduced)} by hole punching through {_names(introduced)})"
    return Explanation(
        reason=reason, text=text, rate_bytes_per_s=core.download_rate_bytes_per_s(now=now), peers=dict(peers)
    )


def layers_text(core: SwarmCore) -> str:
    """How far the piece layers of a version 2 torrent are."""
    fetch, asked = core.hashes.layers, core.hashes.speaker_count
    peers = "1 peer" if asked == 1 else f"{asked} peers"
    return f"layers: {fetch.hashes_found} of {fetch.hashes_wanted} from {peers}"


def held_up_by(peer: SwarmPeer, picker: PiecePicker | None, *, now: float) -> SlowReason:
    """What decides how fast this peer sends."""
    if picker is None:
        return SlowReason.NO_METADATA
    if not picker.is_interesting(peer.number):
        return SlowReason.NOTHING_NEEDED
    outstanding = len(picker.requested_from(peer.number))
    if peer.core.is_choked and not outstanding:
        return SlowReason.CHOKED
    if peer.pipeline.is_snubbed:
        return SlowReason.SNUBBED
    if not outstanding:
        return SlowReason.REFUSED if peer.is_refusing else SlowReason.ALL_REQUESTED
    if not peer.received_lately.bytes_per_s(peer.downloaded_bytes, now=now):
        return SlowReason.WAITING
    limit = peer.core.remote_peer.request_limit
    if outstanding * 4 >= limit * 3 and peer.pipeline.target > limit:
        return SlowReason.QUEUE_LIMITED
    return SlowReason.REMOTE_SLOW


def _names(relays: list[Address]) -> str:
    """Of a few of them."""
    names = list(dict.fromkeys(map(str, relays)))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} others" if len(names) > 3 else "")


def _reason(
    core: SwarmCore,
    peers: Counter[SlowReason],
    *,
    state: TorrentState,
    is_paused: bool,
    now: float,
) -> SlowReason:
    if state is TorrentState.STOPPED:
        return SlowReason.STOPPED
    if is_paused:
        return SlowReason.PAUSED
    if state is TorrentState.CHECKING:
        return SlowReason.CHECKING
    if core.is_finished:
        return SlowReason.FINISHED
    if core.picker is None and core.hashes.is_fetching and peers:
        return SlowReason.NO_LAYERS
    if core.downloads is not None and core.downloads.was_held_back(now=now):
        return SlowReason.DISK_LIMITED
    if not peers:
        return SlowReason.NO_PEERS
    if core.downloads is not None and core.downloads.was_rate_limited(now=now):
        return SlowReason.RATE_LIMITED
    # The peers that send anything decide; of those that do not, the ones that are nearest to it.
    sending = [reason for reason in _SENDING if peers[reason]]
    if sending:
        return max(sending, key=lambda reason: peers[reason])
    for reason in _SENDING_NOTHING:
        if peers[reason]:
            return reason
    return SlowReason.NO_METADATA if peers[SlowReason.NO_METADATA] else SlowReason.NOTHING_NEEDED


_SENDING = (SlowReason.QUEUE_LIMITED, SlowReason.REMOTE_SLOW)
_SENDING_NOTHING = (
    SlowReason.WAITING,
    SlowReason.SNUBBED,
    SlowReason.REFUSED,
    SlowReason.CHOKED,
    SlowReason.ALL_REQUESTED,
)
_TEXTS = {
    SlowReason.STOPPED: "the torrent was stopped",
    SlowReason.PAUSED: "the torrent is paused; resume it",
    SlowReason.CHECKING: "what is on disk is being checked first",
    SlowReason.FINISHED: "everything that is wanted is here",
    SlowReason.NO_METADATA: "{whom} connected, but none has sent the metadata of this magnet link so far",
    SlowReason.NO_LAYERS: "the hashes of the pieces are fetched first ({{layers}})",
    SlowReason.DISK_LIMITED: "the disk is slower than the network; nothing more is asked for until it has caught up",
    SlowReason.RATE_LIMITED: "the rate limit that was set is used up",
    SlowReason.NOTHING_NEEDED: "{whom} connected, but none has anything that is missing here; wait for others",
    SlowReason.CHOKED: "{whom} connected, and those with something missing here serve others first; wait for a turn",
    SlowReason.SNUBBED: "who promised data sends none ({count} of {whom}); wait for others",
    SlowReason.REFUSED: "who promised data refuses to send it ({count} of {whom}); wait for others",
    SlowReason.WAITING: "the peers were asked and have sent nothing lately ({count} of {whom})",
    SlowReason.ALL_REQUESTED: "{whom} connected, but all that they have is on order from others already",
    SlowReason.QUEUE_LIMITED: "the peers take too few requests at a time for the distance to them ({count} of {whom})",
    SlowReason.REMOTE_SLOW: "the peers send as fast as they can or want ({count} of {whom})",
}
