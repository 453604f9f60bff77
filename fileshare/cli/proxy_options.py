"""The proxy that commands go through, and where its password comes from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from transfer import Proxy, ProxyUrlError, read_file

ProxyOption = Annotated[
    str | None,
    typer.Option(
        "--proxy",
        metavar="URL",
        help="Go through a proxy, and let nothing around it: socks5://HOST:PORT or http://HOST:PORT, with USER@ or"
        " USER:PASSWORD@ before HOST where it wants that. A password is better kept out of sight, in the environment:"
        " KAD_PROXY_PASSWORD. The proxy looks names up.",
    ),
]
ProxyPasswordFileOption = Annotated[
    Path | None,
    typer.Option(
        "--proxy-password-file", metavar="FILE", help="Read the password for --proxy from the first line of this file."
    ),
]

ImpossibleProxyOption = Annotated[str | None, typer.Option("--proxy", metavar="URL", hidden=True)]  # see `refuse_proxy`


def parse_proxy(url: str | None, password_file: Path | None = None) -> Proxy | None:
    """The proxy that was typed, with its password from wherever it is.

    Raises:
        typer.BadParameter: it is none.
        OSError: the file cannot be read.
    """
    if url is None:
        if password_file is not None:
            raise typer.BadParameter("it is for a proxy; name one with --proxy", param_hint="--proxy-password-file")
        return None
    has_user = "@" in url
    password = os.environ.get(PASSWORD_VARIABLE) or None if has_user else None
    if password_file is not None:
        if not has_user:
            raise typer.BadParameter("a password needs a user name: write USER@HOST", param_hint="--proxy")
        lines = read_file(password_file, MAX_FILE_BYTES, may_be_pipe=True).decode("utf-8", "replace").splitlines()
        password = lines[0] if lines else ""
    try:
        return Proxy.parse(url, password=password)
    except ProxyUrlError as error:
        raise typer.BadParameter(str(error), param_hint="--proxy") from None


def refuse_proxy(url: str | None, *, why: str) -> None:
    """For commands that would go around a proxy: they say so, rather than that there is no such option.

    Raises:
        typer.BadParameter: one was typed.
    """
    if url is not None:
        raise typer.BadParameter(why, param_hint="--proxy")


PASSWORD_VARIABLE = "KAD_PROXY_PASSWORD"
MAX_FILE_BYTES = 4096
