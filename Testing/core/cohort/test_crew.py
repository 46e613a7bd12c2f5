"""The crew gives each missing result to one worker at a time, whatever happens to the workers."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import pytest

from TumorGenCore.cohort.crew import Missing, run_crew
from TumorGenCore.cohort.manifest import ManifestRow
from TumorGenCore.cohort.results import Made, Outcome
from TumorGenCore.errors import WorkerError


class LostError(Exception):
    pass


class Worker:
    """Makes results at once, in this process; lost as often as ``lost_at`` says, or at each start."""

    lost = (LostError,)

    def __init__(self, lost_at: dict[tuple[str, int], int], starts: bool = True) -> None:
        self.lost_at, self.starts = lost_at, starts
        self.taken: list[tuple[str, int]] = []
        self.closed = False

    def start(self) -> Future[None]:
        return done(None if self.starts else LostError())

    def make(self, row: ManifestRow, seed: int) -> Future[Made]:
        key = (row.name, seed)
        self.taken.append(key)
        if self.lost_at.get(key, 0):
            self.lost_at[key] -= 1
            return done(LostError())
        return done(Made(Outcome(row.name, (seed,), {}), no_scan=row.name == "bad"))

    def stop(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def done(result: object) -> Future:
    future: Future = Future()
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
    return future


def row(name: str, seeds: range) -> ManifestRow:
    return ManifestRow(name, Path("a.nii.gz"), None, None, seeds, 1, None)


def work(workers: list[Worker], rows: list[ManifestRow]) -> list[Outcome]:
    missing, outcomes = Missing((row, row.seeds) for row in rows), []
    told: list[int] = []

    def keep(made: Made) -> None:
        outcomes.append(made.outcome)
        if made.no_scan:
            missing.drop(made.outcome.name)

    run_crew(workers, missing, keep, lambda: told.append(len(outcomes)))
    assert not missing and all(worker.closed for worker in workers) and told[-1] == len(outcomes)
    return outcomes


def test_a_worker_goes_on_with_its_scan_then_takes_a_new_one_and_helps_at_the_end():
    missing = Missing([(row("a", range(3)), range(3)), (row("b", range(2)), [0, 1]), (row("c", range(9)), [7])])
    taken = [missing.next(), missing.next(), missing.next("a"), missing.next("c"), missing.next("b")]
    assert [(task[0].name, task[1]) for task in taken if task] == [("a", 0), ("b", 0), ("a", 1), ("c", 7), ("b", 1)]
    assert missing.next("c") == (row("a", range(3)), 2)  # helps
    assert missing.next("c") is None and not missing


def test_results_of_lost_workers_are_made_once_by_others():
    rows = [row("a", range(5)), row("b", range(4))]
    workers = [Worker({("a", 2): 1, ("b", 0): 2}), Worker({("a", 2): 1})]
    outcomes = work(workers, rows)
    assert sorted((o.name, *o.seeds) for o in outcomes) == [(r.name, s) for r in rows for s in r.seeds]
    assert all(o.record is not None for o in outcomes)


def test_a_result_that_always_ends_its_worker_is_left_out_and_the_others_are_made():
    worker = Worker({("a", 1): 99})
    outcomes = {o.seeds: o for o in work([worker], [row("a", range(4))])}
    assert outcomes[1,].record is None and "fewer workers" in outcomes[1,].reason
    assert worker.taken.count(("a", 1)) == 3
    assert [seeds for seeds, o in outcomes.items() if o.record is None] == [(1,)]


def test_a_scan_that_cannot_be_read_is_tried_once():
    worker = Worker({})
    outcomes = work([worker], [row("bad", range(100)), row("a", range(2))])
    assert worker.taken == [("bad", 0), ("a", 0), ("a", 1)] and len(outcomes) == 3


def test_a_run_whose_workers_cannot_start_ends_with_a_named_error():
    workers = [Worker({}, starts=False), Worker({}, starts=False)]
    with pytest.raises(WorkerError, match="--workers"):
        work(workers, [row("a", range(2))])
    assert all(worker.closed for worker in workers)
    # One worker that starts is enough.
    assert len(work([Worker({}), Worker({}, starts=False)], [row("a", range(3))])) == 3


def test_what_is_ready_at_a_stop_is_kept_and_nothing_else():
    workers = [Worker({}), Worker({})]
    kept: list[Made] = []

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_crew(workers, Missing([(row("a", range(9)), range(9))]), kept.append, stop)
    assert len(kept) == len({made.outcome.seeds for made in kept}) == sum(len(worker.taken) for worker in workers)
    assert all(worker.closed for worker in workers)
