"""What is told of refusals, and that it is bounded."""

from __future__ import annotations

from transfer.limits.journal import JournalConfig, RefusalJournal
from transfer.limits.refusal import Refusal


def refusal(subject: str = "8.8.8.8", *, limit: str = "max_inbound", scope: str = "system") -> Refusal:
    return Refusal(limit=limit, scope=scope, what="inbound connections", in_use=5, most=5, subject=subject)


def test_it_says_which_limit_refused_whom_and_how_to_change_it() -> None:
    journal = RefusalJournal(advice={"max_inbound": "--max-connections allows more"})
    assert str(journal.report(now=0.0)) == "no limit has refused anything in the last 10 min"
    for second in range(40):
        journal.note(refusal(f"8.8.8.{second % 20}"), now=float(second))
    report = journal.report(now=60.0)
    assert str(report) == (
        "max_inbound: system had 5 of 5 inbound connections and refused 40 in the last 60 s, 8.8.8.17, 8.8.8.18,"
        " 8.8.8.19 for example; --max-connections allows more"
    )
    (summary,) = report.refusals
    assert summary.ago_s == 21.0
    assert len(summary.subjects) == 8


def test_what_is_long_ago_is_forgotten_step_by_step() -> None:
    journal = RefusalJournal(JournalConfig(window_s=100.0, steps=10))
    for second in range(200):
        journal.note(refusal(), now=float(second))
        journal.check_invariants()
    (summary,) = journal.report(now=199.0).refusals
    assert 90 <= summary.count <= 110
    assert journal.report(now=250.0).refusals[0].count <= 60
    assert journal.report(now=400.0).refusals == ()
    assert journal.report(now=400.0).total == 200


def test_scopes_are_told_apart_the_worst_first_and_the_oldest_is_forgotten() -> None:
    journal = RefusalJournal(JournalConfig(max_entries=3, max_subjects=2))
    for number, scope in enumerate("abcd"):
        for attempt in range(number + 1):
            journal.note(refusal(f"8.8.8.{attempt}", scope=scope), now=0.0)
    journal.check_invariants()
    assert [(it.latest.scope, it.count) for it in journal.report(now=0.0).refusals] == [("d", 4), ("c", 3), ("b", 2)]
