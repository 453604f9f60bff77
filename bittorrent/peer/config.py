"""Bounds and times of one peer connection."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerConfig:
    """Every number that shapes a `PeerCore`.

    Attributes:
        client: name and version told to other clients.
        max_frame_bytes: longest message accepted; a bitfield of two million pieces fits.
        max_block_bytes: longest block served. Clients ask for 16 KiB; 128 KiB is what old ones allowed.
        request_queue: requests kept for the peer, announced as `reqq`.
        default_request_limit: requests sent to a peer that does not announce its own `reqq`.
        handshake_timeout_s: BEP 3 speaks of two minutes; libtorrent ends a
            connection after 120 s of silence, so ours stays below with what it sends and above with what it expects.
        keep_alive_s: see `handshake_timeout_s`.
        silence_timeout_s: see `handshake_timeout_s`.
        control_rate_per_s: messages other than blocks, requests and news of pieces.
        control_burst: see `control_rate_per_s`.
        max_metadata_bytes: largest info dictionary accepted from a peer.
        max_output_bytes: above so much unsent output no metadata is served: the peer does not read.
        metadata_copies: how often one peer may fetch the whole metadata.
        max_early_haves: `have` messages before the metadata is known.
        max_pex_peers: endpoints read from one message that names other peers.
        first_hash_requests: requests for nodes of trees that a peer may make before it is known how many there are.
        max_hash_requests: ours to one peer that it may still answer.
        prefers_encryption: tell others that we would rather be called with encryption.
        max_fast_pieces: pieces remembered that the peer suggests, or lets us fetch while choked (it names about ten).
    """

    client: str = "kademlia-core 0.1"
    max_frame_bytes: int = 256 << 10
    max_block_bytes: int = 128 << 10
    request_queue: int = 1000
    default_request_limit: int = 250
    handshake_timeout_s: float = 10.0
    keep_alive_s: float = 100.0
    silence_timeout_s: float = 150.0
    control_rate_per_s: float = 20.0
    control_burst: float = 400.0
    max_metadata_bytes: int = 16 << 20
    max_output_bytes: int = 1 << 20
    metadata_copies: int = 4
    max_early_haves: int = 100_000
    max_pex_peers: int = 200
    first_hash_requests: int = 64
    max_hash_requests: int = 512
    max_fast_pieces: int = 64
    prefers_encryption: bool = False

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not isinstance(value, str | bool) and value <= 0:
                raise ValueError(f"{name} must be positive")
        if self.max_frame_bytes < self.max_block_bytes + 9 or self.max_block_bytes < 16384:
            raise ValueError("a frame must hold a block, and a block at least 16 KiB")
