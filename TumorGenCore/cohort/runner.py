"""Makes a training set from many cases, for ``tumorgen synthesize`` and for Python::

    rows = read_manifest("manifest.csv")
    synthesize(TumorGenerator.from_pretrained(), rows, Path("made"))

Each result depends only on its row, its seed, the bundle and the software, and not on earlier results. The files of a
result are all there or none. After a kill the image may be missing, but never its mask: training would take the tumors
of an image without a mask for healthy tissue.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from TumorGenCore.cohort.books import Books
from TumorGenCore.cohort.crew import Missing, Worker, run_crew
from TumorGenCore.cohort.maker import CaseMaker, pass_ct
from TumorGenCore.cohort.manifest import ManifestRow
from TumorGenCore.cohort.output_folder import check_output_folder, check_own_inputs, clear_leftovers, only_run
from TumorGenCore.cohort.parts import Part, RunFiles
from TumorGenCore.cohort.requests import Requests
from TumorGenCore.cohort.results import Made, Outcome, ResultFiles, ct_path, stem
from TumorGenCore.cohort.resume import Earlier, earlier_results
from TumorGenCore.cohort.space import check_results_space
from TumorGenCore.errors import ManifestError
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.volumes.safe_write import check_name, replacing

if TYPE_CHECKING:
    from TumorGenCore.insertion.generator import TumorGenerator

__all__ = ["check_before_run", "synthesize"]


def check_before_run(
    output: Path, rows: Sequence[ManifestRow], resume: bool, inputs: Iterable[Path] = (), part: Part | None = None
) -> None:
    """Checks, before any work, that a run can use its output folder.

    Args:
        output: folder of the results.
        rows: rows of the manifest, or of the part.
        resume: whether the run continues another run in the folder.
        inputs: other files that the run reads, such as the manifest.
        part: the part of the manifest; None for all of it.

    Raises:
        ManifestError: the folder holds files and ``resume`` is not set, or the run would write over its own input.
        OSError: ``output`` is a file, or it cannot be created or written to, a name is too long, or the disk has too
            little free space.
    """
    files = RunFiles(output, part)
    files.check()
    check_output_folder(output, resume or part is not None)
    for row in rows:  # beside a new folder, as the longest name of the row
        check_name(ResultFiles.of((row.name, row.seeds[-1]), output if output.is_dir() else output.parent).provenance)
        if (copy := ct_path(row, output if output.is_dir() else output.parent)) is not None:
            check_name(copy)
    read = [*inputs, *(path for row in rows for path in row.files)]
    results = (path for row in rows for seed in row.seeds for path in ResultFiles.of((row.name, seed), output).paths)
    there = [path for path in (*files.tables, *results) if path.exists()] if output.is_dir() else []
    copies = [copy for row in rows if (copy := ct_path(row, output)) is not None]
    check_own_inputs(read, [*there, *copies])
    if part is not None and there and not resume:
        raise ManifestError(
            f"{output} holds results of part {part}. Give a new folder, or use --resume to continue the part."
        )
    check_results_space(output, rows)


def synthesize(
    generator: TumorGenerator,
    rows: Sequence[ManifestRow],
    output: Path,
    *,
    usual: TumorRequest | None = None,
    resume: bool = False,
    part: Part | None = None,
    workers: Sequence[Worker] = (),
    on_outcome: Callable[[Outcome], None] | None = None,
    on_forewarnings: Callable[[str, tuple[str, ...]], None] | None = None,
) -> list[Outcome]:
    """Makes every result of a manifest.

    Writes for each result:

    - NAME_SEED_image.nii.gz in SUV: unchanged voxels if the input is in SUV, else float32;
    - NAME_SEED_mask.nii.gz: 0 and 1, the union of its tumors;
    - NAME_SEED.provenance.json;
    - a line in ``cases.csv``; its boxes are CX,CY,CZ,SX,SY,SZ joined by "; ", with edges along the axes of the box,
      which are in the provenance; ``quality`` is the quality of the poorest tumor, and ``redrawn`` is the number of
      tumors that were drawn again;
    - a line for each lesion in ``truth.csv`` (``insertion.truth_columns``). Facts about the person of a DICOM series
      stand there and nowhere else.

    A CT that the row names is copied to NAME_ct and its suffix, once for all results of the row.

    A row that cannot be used is left out, whatever its scan raises; ``failures.csv`` names it with the reason, and the
    run goes on. An output that cannot be written stops the run.

    Args:
        generator: generator for all results.
        rows: from ``read_manifest``.
        output: folder of the results; it is created if it does not exist.
        usual: steps, solver and least quality for rows that do not give them. A tumor below the least quality is drawn
            again with other noise in the same box.
        resume: keep complete results that were made with the same scan, row, settings, bundle and software.
        part: make only this part, with tables of its own, which ``gather`` joins.
        workers: workers that make the results side by side, which the run starts and ends; without any, this process
            makes them. The files are the same if the workers have the threads of this process.
        on_outcome: function to call after each result or failure.
        on_forewarnings: function to call before each result is grown, with the start of its file names and the warnings
            of ``VariantRun.forewarnings``; the outcome has them too. With workers it is called beside ``on_outcome``.

    Returns:
        The outcomes, in the order of the manifest.

    Warns:
        ResumeWarning: an earlier run in the folder was killed, or computed on another kind of device.

    Raises:
        ManifestError: ``output`` is not empty and ``resume`` is not set, it holds results of other scans, rows,
            settings or software, another run works in it, or the run would write over its own input.
        OSError: a file cannot be written.
    """
    mine = list(rows) if part is None else part.rows(rows)
    check_before_run(output, mine, resume, part=part)
    usual = usual or TumorRequest()
    asked = Requests(generator, [replace(row, request=row.request.or_else(usual)) for row in rows])
    requests = asked if part is None else Requests(generator, part.rows(asked.rows))
    output.mkdir(exist_ok=True)
    files = RunFiles(output, part)
    with only_run(output, part):
        if files.note is not None:
            files.note.unlink(missing_ok=True)
        earlier = Earlier()
        if resume:
            if part is None:  # Other parts may write temporary files.
                clear_leftovers(output)
            earlier = earlier_results(files, requests, generator.device.type)
        run = _Run(Books(files, requests, earlier), on_outcome or _ignore, on_forewarnings or _ignore)
        run.tell_kept()
        if workers:
            run_crew(workers, run.missing, run.keep, run.tell)
        else:
            run.make_here(CaseMaker(generator, output))
        run.books.sort()
        if files.note is not None:
            with replacing(files.note) as temporary:
                temporary.write_text(json.dumps({"results": len(requests), "manifest": asked.digest}), encoding="utf-8")
    return run.in_order()


def _ignore(*_: object) -> None:
    """Does nothing."""


class _Run:
    """One run: makes the missing results and tells the caller about each.

    Args:
        books: tables of the run.
        on_outcome, on_forewarnings: see ``synthesize``.
    """

    def __init__(
        self,
        books: Books,
        on_outcome: Callable[[Outcome], None],
        on_forewarnings: Callable[[str, tuple[str, ...]], None],
    ) -> None:
        self.books, self.on_outcome, self.on_forewarnings = books, on_outcome, on_forewarnings
        self.outcomes: list[Outcome] = []
        self._untold: list[tuple[Outcome, tuple[str, ...]]] = []
        rows = [(row, books.missing(row)) for row in books.requests.rows]
        self.missing = Missing((row, seeds) for row, seeds in rows if seeds)

    def tell_kept(self) -> None:
        """Tells about the results of an earlier run."""
        for row in self.books.requests.rows:
            if kept := self.books.kept(row):
                pass_ct(row, self.books.output)
            for outcome in kept:
                self.outcomes.append(outcome)
                self.on_outcome(outcome)

    def make_here(self, maker: CaseMaker) -> None:
        """Makes the missing results in this process."""
        name = None
        while task := self.missing.next(name):
            row, seed = task
            name = row.name
            forewarn = partial(self.on_forewarnings, stem((name, seed)))
            maker.make(row, seed, lambda made: self.keep(replace(made, forewarnings=())), forewarn)
            self.tell()

    def keep(self, made: Made) -> None:
        """Puts a result into the tables."""
        dropped = self.missing.drop(made.outcome.name) if made.no_scan else ()
        outcome = self.books.add(made, dropped)
        self.outcomes.append(outcome)
        self._untold.append((outcome, made.forewarnings))

    def tell(self) -> None:
        """Tells the caller about what was kept; the run can stop here."""
        while self._untold:
            outcome, forewarnings = self._untold.pop(0)
            if forewarnings:
                self.on_forewarnings(stem((outcome.name, outcome.seeds[0])), forewarnings)
            self.on_outcome(outcome)

    def in_order(self) -> list[Outcome]:
        """Returns all outcomes in the order of the manifest."""
        place = {key: n for n, key in enumerate(self.books.requests)}
        return sorted(self.outcomes, key=lambda outcome: place[outcome.name, outcome.seeds[0]])
