"""The theory benchmark in a size for every day: the same comparisons, with the tolerance that fewer lookups need."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.hop_experiments import slope
from benchmarks.lookup_hops import (
    compare_agreement,
    compare_slope,
    compare_with_model,
    main,
    measure_deployed,
)
from benchmarks.published_hops import LARGE_BUCKETS, ROOS, PublishedHops


@pytest.mark.parametrize("published", ROOS, ids=lambda row: f"{row.system} {row.alpha} {row.beta} {row.nodes}")
def test_hops_are_those_of_the_model(published: PublishedHops) -> None:
    row = compare_with_model(published, lookups=300)
    assert abs(row.mean_error) < 0.08
    assert abs(row.largest_cdf_error) < 0.10


def test_the_comparison_tells_systems_apart() -> None:
    """Or else it would prove nothing: k = 8 is far from what is published for k = 20."""
    wrong = PublishedHops("k = 8", 8, (), 3, 2, 10_000, ROOS[5].mean, ROOS[5].cdf)
    row = compare_with_model(wrong, lookups=300)
    assert not row.is_met
    assert row.mean_error > 0.12
    assert abs(row.largest_cdf_error) > 0.2


def test_hops_grow_with_the_logarithm_of_the_network() -> None:
    row = compare_slope(8, [256, 1024, 4096, 16384], lookups=300)
    assert abs(row.error) < 0.15
    assert slope([2, 4, 8], [1.0, 1.5, 2.0]) == pytest.approx(0.5)


def test_two_lookups_of_one_key_agree() -> None:
    row = compare_agreement(1000, 8, keys=30)
    assert row.overlap >= 0.97
    assert row.truth >= 0.97


def test_large_first_buckets_save_hops() -> None:
    plain, large = (measure_deployed(10_000, sizes, lookups=150) for sizes in ((), LARGE_BUCKETS))
    assert large.mean < plain.mean - 0.3
    assert large.table_size > plain.table_size + 150


def test_the_report_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "report.json"
    main(["--lookups", "40", "--largest-power", "9", "--json", str(path), "--pictures", str(tmp_path)])
    printed = capsys.readouterr().out
    report = json.loads(path.read_text())
    assert [len(report[part]) for part in ("model", "slopes", "deployed", "agreement")] == [8, 3, 0, 3]
    assert printed.count("published mean") == 8
    for picture in ("hops_cdf.svg", "hops_vs_n.svg"):
        assert ElementTree.fromstring((tmp_path / picture).read_text()).tag.endswith("svg")
