from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmarks import figures, growth, hooks, newcomer, usage
from benchmarks.figures import Figures, Target
from benchmarks.probe import Batch


@pytest.mark.parametrize(
    ("samples", "share", "found"),
    [([3.0], 95, 3.0), ([2.0, 1.0], 50, 1.0), ([float(n) for n in range(100, 0, -1)], 95, 95.0), ([1.0, 2.0], 0, 1.0)],
)
def test_a_percentile_is_the_smallest_sample_that_so_many_do_not_exceed(
    samples: list[float], share: float, found: float
) -> None:
    assert figures.percentile(samples, share) == found


def test_the_ratio_is_the_median_over_turns_of_their_medians() -> None:
    found = Figures("save", "save")
    for ours, theirs in (([1.0, 2.0, 9.0], 4.0), ([1.0], 1.0), ([1.0], 10.0)):
        found.turn({"devenv": ours, "compose": [theirs]})
    assert found.ratios == [0.5, 1.0, 0.1]
    assert found.found.ratio == 0.5


def test_what_never_came_is_counted_and_makes_no_sample() -> None:
    found = Figures("save", "save", target=Target(p50=1.0))
    found.turn({"devenv": [None], "compose": [2.0, None]})
    assert (found.ours, found.theirs, found.ratios) == ([], [2.0], [])
    assert found.never == {"devenv": 1, "compose": 1}
    assert found.missed == ["p50"]


def test_a_row_says_which_promises_were_missed() -> None:
    found = Figures("save", "save", target=Target(p50=0.012, p95=0.025, ratio=0.025))
    found.turn({"devenv": [0.009, 0.009, 0.030], "compose": [0.5], "bind": [0.0002]})
    cells = [cell.strip() for cell in figures.row(found).strip("|").split("|")]
    assert len(cells) == figures.HEADER.splitlines()[0].count("|") - 1
    assert cells[1:5] == ["9.0 ms (30.0 ms)", "500.0 ms (500.0 ms)", "0.2 ms (0.2 ms)", "0.018"]
    assert cells[5:] == ["p50 ≤ 12.0 ms, p95 ≤ 25.0 ms, ratio ≤ 0.025", "missed: p95", "3/1/1"]


def test_a_batch_is_in_a_folder_when_each_file_has_its_content(tmp_path: Path) -> None:
    batch = Batch("tree", 3, first=1, width=2)
    batch.write(tmp_path)
    assert batch.is_in(tmp_path)
    assert not batch.marked("other").is_in(tmp_path)
    batch.marked("other").save(tmp_path)
    assert batch.marked("other").is_in(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
        *("tree/000/00001", "tree/001/00002", "tree/001/00003")
    ]
    batch.delete(tmp_path)
    assert not batch.is_in(tmp_path)


@pytest.mark.skipif(not usage.PROC.is_dir(), reason="needs Linux")
def test_what_this_process_uses_is_read_from_the_kernel() -> None:
    assert os.getpid() in usage.with_children(os.getppid())
    assert usage.seconds([os.getpid()]) >= 0
    assert usage.megabytes([os.getpid()]) > 1


def test_growth_is_the_power_of_the_number_of_containers() -> None:
    assert growth.exponent((1, 10, 100), (5.0, 1.0, 10.0)) == pytest.approx(1.0)
    assert growth.exponent((1, 10, 100), (5.0, 1.0, 100.0)) == pytest.approx(2.0)
    assert growth.exponent((1, 10), (1.0, 1.0)) is None


def test_the_table_of_growth_has_both_sides_and_their_ratio() -> None:
    sizes = [growth.Size(count) for count in (10, 100)]
    for one in sizes:
        for what in growth.VERBS:
            one.add(what, growth.Sample(one.count / 10, 0.1, 30.0), mine=True)
            one.add(what, growth.Sample(one.count / 5, 0.2, 60.0), mine=False)
    lines = growth.table(sizes).splitlines()
    assert lines[2] == "| cold up | 1.00 / 2.00 s, 0.50 | 10.00 / 20.00 s, 0.50 | 1.00 / 1.00 |"
    assert lines[-1] == "| memory of down | 30 / 60 MB, 0.50 | 30 / 60 MB, 0.50 | 0.00 / 0.00 |"


def test_a_run_of_hooks_is_measured_over_the_check_s_own_time() -> None:
    runs = hooks.Runs("bind", [0.31, 0.41, 0.21], [0.01, 0.31, 0.01])
    assert runs.over == pytest.approx([0.30, 0.10, 0.20])
    assert hooks.table([runs]).splitlines()[-1] == (
        "| bind | 310 ms (410) | 10 ms (310) | 200 ms (300) | ≤ 300 ms | met |"
    )


def test_a_newcomer_s_wait_is_told_by_stages() -> None:
    told = {"stages": [{"stage": "clone", "seconds": 1.5}, {"stage": "open", "seconds": 0.0}]}
    assert newcomer.stages(json.dumps(told)) == {"clone": 1.5}
    assert newcomer.stages("up") == {}


def test_a_newcomer_s_wait_is_compared_run_by_run() -> None:
    waits = newcomer.Waits()
    waits.seconds = {"nothing": [100.0, 200.0], "cache": [50.0, 50.0], "team": [20.0, 60.0]}
    assert waits.ratio == pytest.approx(0.25)
    assert newcomer.table(waits).splitlines()[-1] == "| the team's registry | 40.0 s (20.0) | 0.25 | ≤ 0.25 | met |"
