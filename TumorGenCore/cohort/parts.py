"""A part of a manifest, for clusters: `--part 3/8` makes the fourth eighth of the results.

Results are counted in the order of the manifest, and a part is a run of them: most scans are read by one part only, and
a manifest with one scan and a thousand seeds is divided too. The parts joined in their order are the whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from TumorGenCore.cohort.manifest import ManifestRow
from TumorGenCore.cohort.tables import CASES_FILE, FAILURES_FILE, TRUTH_FILE
from TumorGenCore.errors import ManifestError

__all__ = ["Part", "RunFiles", "parts_in"]

_NAME = re.compile(r"(?:|.+\.)part-(\d+)-of-(\d+)\.(?:csv|json)")


@dataclass(frozen=True)
class Part:
    """One part of a manifest.

    Args:
        number: number of the part, from 0.
        of: number of parts.

    Raises:
        ValueError: there is no such part.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.of:
            raise ValueError(f"{self.number}/{self.of} is no part; the first of {self.of} is 0/{self.of}")

    @classmethod
    def parse(cls, text: str) -> Part:
        """Reads ``i/N``.

        Raises:
            ValueError: the text is something else, or there is no such part.
        """
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        if found is None:
            raise ValueError(f"'{text}' is no part; give i/N with i from 0, such as 0/8")
        return cls(int(found[1]), int(found[2]))

    @property
    def name(self) -> str:
        """Name for files of the part."""
        return f"part-{self.number}-of-{self.of}"

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def rows(self, rows: Sequence[ManifestRow]) -> list[ManifestRow]:
        """Returns the rows of the part, with the seeds of the part."""
        total = sum(len(row.seeds) for row in rows)
        first, stop = total * self.number // self.of, total * (self.number + 1) // self.of
        mine, passed = [], 0
        for row in rows:
            seeds = row.seeds[max(first - passed, 0) : max(stop - passed, 0)]
            passed += len(row.seeds)
            if seeds:
                mine.append(replace(row, seeds=seeds))
        return mine


@dataclass(frozen=True)
class RunFiles:
    """Tables of a run in a folder.

    Args:
        output: folder of the results.
        part: part of the manifest; None for a run of all of it.
    """

    output: Path
    part: Part | None = None

    @property
    def cases(self) -> Path:
        """Table of the results."""
        return self._table(CASES_FILE)

    @property
    def truth(self) -> Path:
        """Table of the lesions."""
        return self._table(TRUTH_FILE)

    @property
    def failures(self) -> Path:
        """Table of the results that were left out."""
        return self._table(FAILURES_FILE)

    @property
    def note(self) -> Path | None:
        """Note that a part has been made, which ``gather`` looks for."""
        return None if self.part is None else self.output / f"{self.part.name}.json"

    @property
    def tables(self) -> tuple[Path, Path, Path]:
        """The three tables."""
        return self.cases, self.truth, self.failures

    def check(self) -> None:
        """Checks that runs of parts and runs of all of it do not meet in one folder.

        Raises:
            ManifestError: the folder has the tables of the other kind, or of another number of parts.
        """
        there = parts_in(self.output)
        if self.part is None and there:
            raise ManifestError(
                f"{self.output} holds parts of a run. Join them with `tumorgen gather {self.output}`, or give another "
                "folder."
            )
        if self.part is not None and (self.output / CASES_FILE).exists():
            raise ManifestError(
                f"{self.output} holds a whole run, not parts. Continue it without --part, or give another folder."
            )
        if self.part is not None and (others := {part.of for part in there} - {self.part.of}):
            raise ManifestError(
                f"{self.output} holds parts out of {min(others)}, not out of {self.part.of}. Give another folder."
            )

    def _table(self, name: str) -> Path:
        if self.part is None:
            return self.output / name
        whole = Path(name)
        return self.output / f"{whole.stem}.{self.part.name}{whole.suffix}"


def parts_in(folder: Path) -> set[Part]:
    """Returns the parts that have a table or a note in a folder, which need not exist; 3-of-3 names no part."""
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    found = ((int(name[1]), int(name[2])) for name in map(_NAME.fullmatch, names) if name)
    return {Part(number, of) for number, of in found if number < of}
