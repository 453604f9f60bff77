"""`kad dht get | put | follow`: values that the DHT keeps (BEP 44), and torrents that change (BEP 46)."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Annotated

import typer

from fileshare.cli.dht_ask import AskFromOption, Entrance, asking_node, parse_target
from fileshare.cli.errors import CommandError, exits
from fileshare.cli.options import BootstrapOption, JsonOption
from fileshare.cli.output import Output
from fileshare.cli.proxy_options import ProxyOption
from fileshare.cli.runtime import run
from fileshare.cli.units import count_text
from fileshare.text import one_line
from kademlia_core import (
    SEED_SIZE,
    ImmutableItem,
    ItemError,
    Key,
    MutableItem,
    PointerError,
    PointerLink,
    PutReport,
    SigningKey,
    info_hash_in,
    pointer_to,
)
from transfer import read_file

SaltOption = Annotated[str, typer.Option("--salt", metavar="TEXT", help="Which of the owner's values.")]
PublicKeyArgument = Annotated[
    str,
    typer.Argument(metavar="PUBLIC_KEY", help="64 hexadecimal characters, or a magnet link with xs=urn:btpk:."),
]


@exits
def get(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="40 hexadecimal characters: the hash of a value. Or 64, a public key, or a magnet link with"
            " xs=urn:btpk:, for the newest of its owner's values.",
        ),
    ],
    salt: SaltOption = "",
    bootstrap: BootstrapOption = None,
    listen: AskFromOption = None,
    proxy: ProxyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch a value that the DHT keeps, checked against its hash or its owner's signature.

    Exit code 1 when there is none.
    """
    run(_get(Output(as_json=as_json), target, salt, Entrance(bootstrap, listen, proxy)))


@exits
def put(
    value: Annotated[str, typer.Argument(metavar="VALUE", help="Text, about 1000 bytes at most.")],
    secret: Annotated[
        Path | None,
        typer.Option(
            "--secret",
            metavar="FILE",
            help="Make it a value that can change, signed with the key in this file."
            " The file is made if it is not there; whoever has it can change the value.",
        ),
    ] = None,
    salt: SaltOption = "",
    torrent: Annotated[
        bool, typer.Option("--torrent", help="VALUE is an info-hash that the public key is to point to (BEP 46).")
    ] = False,
    bootstrap: BootstrapOption = None,
    listen: AskFromOption = None,
    proxy: ProxyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Store a value in the DHT.

    It is kept for about two hours: put it again to keep it longer. Prints where it is found. Exit code 1 when no node
    takes it.
    """
    if secret is None and (salt or torrent):
        raise typer.BadParameter("a value with an owner needs a key", param_hint="--secret")
    run(_put(Output(as_json=as_json), value, secret, salt, torrent, Entrance(bootstrap, listen, proxy)))


@exits
def follow(
    public_key: PublicKeyArgument,
    salt: SaltOption = "",
    republish: Annotated[
        bool, typer.Option("--republish", help="Store what is seen again, so that it outlives its owner's machine.")
    ] = False,
    bootstrap: BootstrapOption = None,
    listen: AskFromOption = None,
    proxy: ProxyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the newest version of a value, and each newer one as it appears, until interrupted."""
    link = _parse_owner(public_key, salt)
    if link is None:
        raise typer.BadParameter("64 hexadecimal characters, or a btpk magnet link", param_hint="PUBLIC_KEY")
    run(_follow(Output(as_json=as_json), link, republish, Entrance(bootstrap, listen, proxy)))


async def _get(output: Output, target: str, salt: str, entrance: Entrance) -> None:
    link = _parse_owner(target, salt)
    if link is None and salt:
        raise typer.BadParameter("only values with an owner have one", param_hint="--salt")
    key = parse_target(target, hint="TARGET") if link is None else b""
    item: ImmutableItem | MutableItem | None
    async with asking_node(output, entrance) as node:
        if link is None:
            item = await node.get_immutable(key)
        else:
            item = await node.get_mutable(link.public_key, link.salt)
    if item is None:
        raise CommandError(f"nobody keeps a value under {target}; values are forgotten after two hours")
    _show(output, item)


async def _put(
    output: Output,
    value: str,
    secret: Path | None,
    salt: str,
    torrent: bool,
    entrance: Entrance,
) -> None:
    content = pointer_to(_key_of(value)) if torrent else value
    report: PutReport[ImmutableItem] | PutReport[MutableItem]
    async with asking_node(output, entrance) as node:
        if secret is None:
            report = await node.put_immutable(content)
        else:
            report = await node.put_mutable(_signing_key(secret), content, salt.encode())
    if not report.accepted_by:
        reasons = ", ".join(sorted({one_line(refusal.text) for refusal in report.refused})) or "none answered"
        raise CommandError(f"no node took the value ({reasons}); try again later")
    item = report.item
    kept_by = [contact.address for contact in report.accepted_by]
    output.event("stored", target=item.target.hex(), kept_by=kept_by, **_owner(item))
    output.say(f"{count_text(len(kept_by), 'node')} keep it for about two hours")
    if isinstance(item, MutableItem):
        link = PointerLink(item.public_key, item.salt) if torrent else None
        output.say(f"kad dht get {link or item.public_key.hex()}" + (f" --salt {salt}" if salt and not link else ""))
    else:
        output.say(f"kad dht get {item.target.hex()}")


async def _follow(output: Output, link: PointerLink, republish: bool, entrance: Entrance) -> None:
    async with (
        asking_node(output, entrance) as node,
        node.follow(link.public_key, link.salt, republish=republish) as versions,
    ):
        async for item in versions:
            _show(output, item)


def _show(output: Output, item: ImmutableItem | MutableItem) -> None:
    try:
        info_hash = info_hash_in(item.value).hex()
    except PointerError:
        info_hash = None
    decoded = item.decoded()
    text = decoded.decode("utf-8", "replace") if isinstance(decoded, bytes) else repr(decoded)
    output.event("value", target=item.target.hex(), value=item.value, info_hash=info_hash, **_owner(item))
    version = f"version {item.seq}: " if isinstance(item, MutableItem) else ""
    output.say(version + (f"magnet:?xt=urn:btih:{info_hash}" if info_hash else one_line(text)))


def _owner(item: ImmutableItem | MutableItem) -> dict[str, object]:
    if isinstance(item, ImmutableItem):
        return {}
    return {"public_key": item.public_key, "salt": item.salt, "seq": item.seq}


def _parse_owner(text: str, salt: str) -> PointerLink | None:
    """Whose value is meant; None when the text does not name an owner."""
    try:
        if "btpk:" in text.lower():
            link = PointerLink.parse(text)
            return PointerLink(link.public_key, salt.encode()) if salt else link
        key = bytes.fromhex(text)
        return PointerLink(key, salt.encode()) if len(key) == SEED_SIZE else None
    except PointerError as error:
        raise typer.BadParameter(str(error), param_hint="PUBLIC_KEY") from None
    except ValueError:
        return None


def _key_of(text: str) -> Key:
    return Key.from_bytes(parse_target(text, hint="VALUE"))


def _signing_key(path: Path) -> SigningKey:
    """The key in a file: 64 hexadecimal characters. A new file is readable by its owner only.

    Raises:
        CommandError: the file holds something else.
        OSError: it cannot be read or made.
    """
    try:
        text = read_file(path, 1000, may_be_pipe=True).decode(errors="replace")
    except FileNotFoundError:
        key = SigningKey.generate(random.SystemRandom())
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w") as file:
            file.write(f"{key.seed.hex()}\n")
        return key
    try:
        return SigningKey(bytes.fromhex(text.strip()))
    except (ValueError, ItemError):
        raise CommandError(f"{path} does not hold a key of 64 hexadecimal characters; name another file") from None
