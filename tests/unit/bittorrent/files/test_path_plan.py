"""Each file of a torrent gets a place of its own."""

from __future__ import annotations

import pytest

from bittorrent.files.names import NameRules
from bittorrent.files.path_plan import MAX_PATH_BYTES, PathPlan, shorten_path

POSIX = NameRules(is_windows=False, ignores_case=False)
MAC = NameRules(is_windows=False, ignores_case=True)


def placed(paths: list[str], rules: NameRules = POSIX) -> list[str]:
    plan = PathPlan(rules)
    split = [tuple(path.split("/")) for path in paths]
    for path in split:
        plan.add(path)
    found = ["/".join(plan.place(path)) for path in split]
    assert plan.is_clear == (found == paths)
    return found


@pytest.mark.parametrize(
    ("paths", "places"),
    [
        (["d/a", "d/A", "d/b/a", "e/a"], ["d/a", "d/A", "d/b/a", "e/a"]),
        (["d/a.bin", "d/a.bin", "d/a.bin"], ["d/a.bin", "d/a.1.bin", "d/a.2.bin"]),
        (["d/x.tar.gz", "d/x.tar.gz"], ["d/x.tar.gz", "d/x.tar.1.gz"]),
        (["d/.x", "d/.x"], ["d/.x", "d/.1.x"]),
        (["d/a.", "d/a."], ["d/a.", "d/a.1."]),
        (["d.d/c", "d.d/c"], ["d.d/c", "d.d/c.1"]),
        (["d/a", "d/a/b"], ["d/a.1", "d/a/b"]),
        (["d/a/b", "d/a"], ["d/a/b", "d/a.1"]),
        (["d/a/b", "d/a/b/c"], ["d/a/b.1", "d/a/b/c"]),
        (["d/a", "d/a.1", "d/a"], ["d/a", "d/a.1", "d/a.2"]),
        (["d/a", "d/a", "d/a.1"], ["d/a", "d/a.2", "d/a.1"]),
        (["d/a", "d/a", "d/a.1/x"], ["d/a", "d/a.2", "d/a.1/x"]),
        (["d/\u00e9", "d/e\u0301"], ["d/\u00e9", "d/e\u0301"]),
    ],
)
def test_the_first_keeps_its_path_and_others_get_a_number(paths: list[str], places: list[str]) -> None:
    """As libtorrent, but for the seventh last: libtorrent 2.1 puts the second and the third file at one place."""
    assert placed(paths) == places


def test_names_that_differ_in_case_are_two_only_where_the_system_says_so() -> None:
    assert placed(["d/x/f", "d/X/f", "d/X/g"], MAC) == ["d/x/f", "d/X/f.1", "d/X/g"]
    assert placed(["d/\u00e9", "d/E\u0301"], MAC) == ["d/\u00e9", "d/E\u0301.1"]
    assert placed(["d/x/f", "d/X/f"]) == ["d/x/f", "d/X/f"]


def test_a_number_never_makes_a_name_too_long() -> None:
    names = ["d/" + "\u00e9" * 125 + ".mp3"] * 3
    found = placed(names)
    assert len(set(found)) == 3
    assert all(len(path.encode()) <= 2 + 255 and path.endswith(".mp3") for path in found)


def test_many_files_with_one_name_cost_a_few_steps_each() -> None:
    """A number that is taken is not tried again for each of them: with 100,000 that would be 5 * 10^9 steps."""
    found = placed(["d/a.bin"] * 100_000)
    assert found[-1] == "d/a.99999.bin"
    long = placed([f"d/{'a' * 245}{number % 1000:03}" for number in range(3000)])
    assert len(set(long)) == 3000


def test_late_comers_take_only_what_is_free() -> None:
    plan = PathPlan(POSIX)
    for path in [("d", "a"), ("d", "b", "c")]:
        plan.add(path)
    assert not plan.place_new(("d", "a"))
    assert not plan.place_new(("d", "b"))
    assert not plan.place_new(("d", "a", "x"))
    assert not plan.place_new(("d",))
    assert plan.place_new(("d", "n", "m"))
    assert not plan.place_new(("d", "n", "m"))
    assert not plan.place_new(("d", "n"))
    assert plan.has_folder(("d", "b"))
    assert plan.has_folder(("d", "n"))
    assert not plan.has_folder(("d", "a"))


def test_a_path_that_no_system_opens_loses_its_innermost_folders() -> None:
    deep = ("name", *map(str, range(1500)), "file.bin")
    short = shorten_path(deep)
    assert sum(len(element) + 1 for element in short) - 1 <= MAX_PATH_BYTES
    assert short[:3] == deep[:3]
    assert short[-1] == "file.bin"
    assert short[:-1] == deep[: len(short) - 1]
    longer = (*deep[: len(short)], "file.bin")
    assert sum(len(element) + 1 for element in longer) > MAX_PATH_BYTES - 8, (
        "one more would not leave room for a number"
    )
    assert shorten_path(("a" * 255,) * 11) == ("a" * 255,) * 11
    assert shorten_path(("a",) * 1500) == ("a",) * 1500
