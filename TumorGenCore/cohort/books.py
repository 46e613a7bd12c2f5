"""The tables of a run, kept up to date while results come in, in any order and from any process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from TumorGenCore.cohort.manifest import ManifestRow
from TumorGenCore.cohort.parts import RunFiles
from TumorGenCore.cohort.requests import Requests
from TumorGenCore.cohort.results import Key, Made, Outcome, Record, ResultFiles, stem
from TumorGenCore.cohort.resume import Earlier
from TumorGenCore.cohort.tables import CASES_COLUMNS, FAILURES_COLUMNS, Table, TruthTable
from TumorGenCore.interrupts import held_stops

__all__ = ["Books"]


class Books:
    """The tables of a run.

    Args:
        files: the tables.
        requests: all results of the run, in the order of the manifest.
        earlier: results that the run takes over.

    Raises:
        OSError: a table cannot be written.
    """

    def __init__(self, files: RunFiles, requests: Requests, earlier: Earlier) -> None:
        self.requests, self.output = requests, files.output
        self.records, self._again = dict(earlier.records), earlier.again
        self._sources = {row.name: row.image.name for row in requests.rows}
        self.cases = Table(files.cases, CASES_COLUMNS, self._in_order())
        self.truth = TruthTable(files.truth, earlier.truth)
        self.failures = Table(files.failures, FAILURES_COLUMNS)

    def missing(self, row: ManifestRow) -> list[int]:
        """Returns the seeds of a row whose results are not there yet."""
        return [seed for seed in row.seeds if (row.name, seed) not in self.records]

    def kept(self, row: ManifestRow) -> list[Outcome]:
        """Returns the outcomes of a row that an earlier run made."""
        keys = [(row.name, seed) for seed in row.seeds if (row.name, seed) in self.records]
        return [Outcome(row.name, (seed,), self.records[name, seed], kept=True) for name, seed in keys]

    def add(self, made: Made, also_left_out: Sequence[int] = ()) -> Outcome:
        """Adds a result whose files are written, or results that were left out.

        Args:
            made: the result.
            also_left_out: more seeds of its row that are left out for the same reason.

        Returns:
            The outcome for the user.

        Raises:
            OSError: a table cannot be written; then the files of the result are removed.
        """
        outcome = replace(made.outcome, seeds=(*made.outcome.seeds, *also_left_out))
        with held_stops():
            if outcome.record is None:
                same = {"name": outcome.name, "source": self._sources[outcome.name], "reason": outcome.reason}
                self.failures.add(*({**same, "seed": str(seed)} for seed in outcome.seeds))
                return outcome
            key = outcome.name, outcome.seeds[0]
            self._add_result(key, outcome.record, made.truth)
        if key not in self._again:
            return outcome
        return replace(outcome, warnings=(f"Made again, because {self._again[key]}.", *outcome.warnings))

    def _add_result(self, key: Key, record: Record, truth: bytes) -> None:
        try:
            self.truth.add(stem(key), truth)  # before the line of the result, which says that all is there
            self.cases.add(record)
        except OSError:
            if stem(key) in self.truth.lines:
                self.truth.take_back(stem(key))
            for path in reversed(ResultFiles.of(key, self.output).paths):
                path.unlink(missing_ok=True)
            raise
        self.records[key] = record

    def sort(self) -> None:
        """Puts the tables in the order of the manifest; results of a resumed run or of workers may be in another.

        Raises:
            OSError: a table cannot be written.
        """
        if (in_order := self._in_order()) != self.cases.rows:
            self.cases.replace(in_order)
        self.truth.sort([stem((record["name"], int(record["seed"]))) for record in in_order])
        left_out = {(line["name"], int(line["seed"])): line for line in self.failures.rows}
        if (lines := [left_out[key] for key in self.requests if key in left_out]) != self.failures.rows:
            self.failures.replace(lines)

    def _in_order(self) -> list[Record]:
        return [self.records[key] for key in self.requests if key in self.records]
