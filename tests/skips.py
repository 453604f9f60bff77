"""In CI nothing is left out in silence: a skip fails the run unless `tests/allowed_skips.txt` names it."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class AllowedSkip:
    """One line of the file: a pattern of test ids, and why they may be skipped: part of what pytest tells."""

    pattern: str
    reason: str

    def allows(self, test: str, reason: str) -> bool:
        return fnmatchcase(test, self.pattern) and self.reason in reason


def parse(text: str) -> list[AllowedSkip]:
    """Lines of `PATTERN | REASON`; empty lines and those that begin with `#` say nothing.

    Raises:
        ValueError: a line without a reason.
    """
    allowed = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        pattern, mark, reason = line.rpartition(" | ")
        if not mark or not reason.strip():
            raise ValueError(f"allowed_skips.txt: no reason in {line!r}; write PATTERN | REASON")
        allowed.append(AllowedSkip(pattern.strip(), reason.strip()))
    return allowed


class AllowedSkips:
    """A pytest plugin that makes a run fail for each skip that nobody has allowed."""

    def __init__(self, path: Path) -> None:
        self._allowed = parse(path.read_text(encoding="utf-8"))
        self.refused: list[tuple[str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._judge(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._judge(report)

    def _judge(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(one.allows(report.nodeid, reason) for one in self._allowed):
            self.refused.append((report.nodeid, reason))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.refused and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for test, reason in self.refused:
            terminalreporter.write_line(
                f"FAILED: skipped in CI without leave (tests/allowed_skips.txt): {test}: {reason}"
            )
