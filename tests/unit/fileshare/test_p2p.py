"""The key of `kad p2p --identity`."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import typer

from fileshare.cli.errors import CommandError
from fileshare.cli.output import Output
from fileshare.cli.p2p_options import parse_multiaddrs
from fileshare.cli.p2p_tasks import read_identity
from transfer import KeyType, PrivateKey


def test_a_new_key_is_stored_for_its_owner_alone_and_found_again(tmp_path: Path) -> None:
    file, output = tmp_path / "key", Output(as_json=False)
    made = read_identity(file, output)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_identity(file, output).peer_id == made.peer_id
    assert read_identity(None, output).peer_id != made.peer_id


def test_the_key_of_another_program_is_taken_and_a_warning_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, key = tmp_path / "key", PrivateKey.generate(KeyType.SECP256K1)
    file.write_bytes(key.to_bytes())
    file.chmod(0o644)
    assert read_identity(file, Output(as_json=False)).peer_id == key.peer_id
    assert f"others can read the key in {file}: chmod 600" in capsys.readouterr().err


def test_what_is_no_key_is_refused_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"hello")
    with pytest.raises(CommandError, match="holds no key of a libp2p host"):
        read_identity(file, Output(as_json=False))
    assert file.read_bytes() == b"hello"


def test_addresses_that_are_none_are_wrong_usage() -> None:
    assert parse_multiaddrs(None, option="--listen") == ()
    with pytest.raises(typer.BadParameter, match="begins with a slash"):
        parse_multiaddrs(["127.0.0.1:4001"], option="--listen")
