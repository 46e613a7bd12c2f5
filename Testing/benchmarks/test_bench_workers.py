"""Tests the arithmetic of the figures about worker processes."""

from __future__ import annotations

import pytest
from bench_workers import ratio
from case_times import CaseTimes, Stopwatch
from cohort_rate import rate_of
from run_memory import memory_of

from TumorGenCore.cohort.results import Made, Outcome


def test_rates_parts_and_memory():
    # The first four results, late because of the start, do not count, nor the time without growth at the end.
    assert rate_of([(0, 0), (50, 1), (60, 4), (61, 6), (64, 12), (90, 12)]) == 2
    with pytest.raises(ValueError):
        rate_of([(0, 0), (50, 4)])
    assert ratio([2, 4, 9], [1, 2, 3]) == 2

    now = [0.0]
    watch = Stopwatch(lambda: now[0])

    def passes(seconds: float) -> None:
        now[0] += seconds

    def steps(_: object):
        passes(5)
        yield 1
        passes(6)

    def read() -> None:
        passes(1)
        watch.timed("engine", passes)(2)  # a part of its own, inside
        passes(1)

    passes(0.5)
    watch.timed("reading", read)()
    for _ in watch.timed_iteration("engine", steps)(None):
        passes(0.25)  # what is done with a step is no part of the steps
    first = watch.lap()
    assert first == {"reading": 2, "engine": 13, "writing": 0, "tables": 0, "rest": 0.75}
    passes(4)
    times = CaseTimes([first, watch.lap()], Made(Outcome("a", (0,))))
    assert times.reading_s == [2] and times.case_s == [13.75, 4]
    assert times.medians_s()["engine"] == 6.5 and times.shares()["rest"] == 4.75 / 19.75

    memory = memory_of([(0, 900), (10, 100), (19, 102), (20, 500), (89, 600), (90, 110), (99, 112), (100, 1)], 100)
    assert (memory.early, memory.late, memory.highest) == (101, 111, 900)
