"""How a command ends: one line for people and an exit code, whatever went wrong."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from functools import wraps
from typing import NoReturn, ParamSpec

import typer

from fileshare.cli.output import Output
from fileshare.service.errors import ListenError, NoFreePortError, NotKeptError, SharingEndedError
from fileshare.text import one_line
from transfer import TransferError

P = ParamSpec("P")


class InterruptedByUserError(Exception):
    """Ctrl-C or a request to end; the text says what has been saved and how to go on."""


class CommandError(TransferError):
    """The job failed for a reason that no library below knows of."""


def exits(command: Callable[P, None]) -> Callable[P, None]:
    """Turns every way out of `command` into the promised one: exit codes 0, 1 and 130 and one line on stderr.

    Wrong usage stays `typer.BadParameter`, which typer reports itself, with exit code 2.
    """

    @wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        output = Output(as_json=bool(kwargs.get("as_json")))
        try:
            command(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter, BrokenPipeError):
            raise
        except (KeyboardInterrupt, InterruptedByUserError) as error:
            _end(output, "interrupted", str(error) or "interrupted", 130)
        except (TransferError, OSError) as error:
            _end(output, "error", error_text(error), 1)
        except Exception as error:  # noqa: BLE001  # the outermost edge: a bug of ours, told so
            traceback.print_exception(error, file=sys.stderr)
            _end(output, "error", f"this is a bug in kad, please report it: {type(error).__name__}: {error}", 1)

    return guarded


def _end(output: Output, event: str, message: str, exit_code: int) -> NoReturn:
    message = one_line(message)
    output.complain(message)
    output.event(event, message=message, exit_code=exit_code)
    raise typer.Exit(exit_code)


def error_text(error: TransferError | OSError) -> str:
    """What an error says to people, in one line, and which option helps."""
    if isinstance(error, TransferError) or error.strerror is None:
        text = str(error) or type(error).__name__
        advice = _ADVICE.get(type(error))
        return f"{text}; {advice}" if advice is not None else text
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


_ADVICE: dict[type, str] = {
    ListenError: "choose another address with --listen HOST:PORT",
    NoFreePortError: "name one with --listen HOST:PORT",
    SharingEndedError: "check its files with `kad torrent verify`",
    NotKeptError: "name the directory that does with -d, or the .torrent file",
}
