"""Workers of one run share the tests: nothing is lost, files stay together, waiting tests begin everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workers import FIRST, in_order, load_share, rank

FILES = st.lists(
    st.tuples(st.sampled_from([*FIRST, "unit"]), st.integers(0, 5), st.integers(1, 20)),
    max_size=20,
    unique_by=lambda f: f[:2],
).map(lambda files: [f"{folder}/test_{number}.py" for folder, number, tests in files for _ in range(tests)])


@given(FILES, st.integers(1, 5))
def test_every_test_runs_once(files: list[str], workers: int) -> None:
    assert sorted(in_order(files, workers)) == list(range(len(files)))


@given(FILES, st.integers(1, 5))
def test_tests_of_one_file_keep_their_order(files: list[str], workers: int) -> None:
    ordered = in_order(files, workers)
    for file in set(files):
        places = [place for place in ordered if files[place] == file]
        assert places == sorted(places)


def test_each_worker_begins_with_tests_that_wait() -> None:
    files = [f"unit/test_{number}.py" for number in range(300)] + [f"interop/test_{number}.py" for number in range(30)]
    ordered = [files[place] for place in in_order(files, 3)]
    for start in range(0, 330, 110):  # as pytest-xdist cuts them
        assert [rank(file) for file in ordered[start : start + 110]] == [0] * 10 + [len(FIRST)] * 100


def test_workers_load_all_files_between_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "some_of_the_tests"
    folder.mkdir()
    bodies = [
        "import nothing_of_that_name",
        "raise ValueError",
        "import pytest; pytest.skip('', allow_module_level=True)",
    ]
    loaded = tmp_path / "loaded"
    for number in range(9):
        note = f"with open({str(loaded)!r}, 'a') as file:\n    file.write('{number} ')\n"
        folder.joinpath(f"test_{number}.py").write_text(note + (bodies[number] if number < len(bodies) else ""))
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "2")
    for worker in ("gw0", "gw1"):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
        load_share(["some_of_the_tests", "some_of_the_tests/test_8.py::test_x", "missing"], tmp_path)
    assert sorted(loaded.read_text().split()) == [str(number) for number in range(9)]
