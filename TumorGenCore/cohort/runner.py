"""Makes a training set from many cases, for ``tumorgen synthesize`` and for Python::

    rows = read_manifest("manifest.csv")
    synthesize(TumorGenerator.from_pretrained(), rows, Path("made"))

Each result depends only on its row, its seed, the bundle and the software, and not on earlier results. The files of a
result are all there or none. After a kill the image may be missing, but never its mask: training would take the tumors
of an image without a mask for healthy tissue.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from TumorGenCore.cohort.left_out import reason_of
from TumorGenCore.cohort.manifest import ManifestRow
from TumorGenCore.cohort.output_folder import check_output_folder, check_own_inputs, clear_leftovers, only_run
from TumorGenCore.cohort.requests import Requests
from TumorGenCore.cohort.results import Key, Outcome, Record, ResultFiles, ct_path, stem
from TumorGenCore.cohort.resume import Earlier, earlier_results, hash_files
from TumorGenCore.cohort.scan import CohortCase, Scan
from TumorGenCore.cohort.space import check_results_space
from TumorGenCore.cohort.tables import (
    CASES_COLUMNS,
    CASES_FILE,
    FAILURES_COLUMNS,
    FAILURES_FILE,
    TRUTH_FILE,
    Table,
    TruthTable,
)
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.truth_table import truth_table
from TumorGenCore.interrupts import held_stops
from TumorGenCore.lesions.measures import measure_images
from TumorGenCore.volumes.file_hash import sha256_of
from TumorGenCore.volumes.geometry import Box, ras_to_lps
from TumorGenCore.volumes.passed_through import PassedThrough, record_of
from TumorGenCore.volumes.provenance_file import write_provenance
from TumorGenCore.volumes.safe_write import all_or_none, check_name
from TumorGenCore.volumes.write import write_segmentation, write_volume

if TYPE_CHECKING:
    from TumorGenCore.insertion.generator import TumorGenerator

__all__ = ["check_before_run", "synthesize"]


def check_before_run(output: Path, rows: Sequence[ManifestRow], resume: bool, inputs: Iterable[Path] = ()) -> None:
    """Checks, before any work, that a run can use its output folder.

    Args:
        output: folder of the results.
        rows: rows of the manifest.
        resume: whether the run continues another run in the folder.
        inputs: other files that the run reads, such as the manifest.

    Raises:
        ManifestError: the folder holds files and ``resume`` is not set, or the run would write over its own input.
        OSError: ``output`` is a file, or it cannot be created or written to, a name is too long, or the disk has too
            little free space.
    """
    check_output_folder(output, resume)
    for row in rows:  # beside a new folder, as the longest name of the row
        check_name(ResultFiles.of((row.name, row.seeds[-1]), output if output.is_dir() else output.parent).provenance)
        if (copy := ct_path(row, output if output.is_dir() else output.parent)) is not None:
            check_name(copy)
    read = [*inputs, *(path for row in rows for path in row.files)]
    results = (path for row in rows for seed in row.seeds for path in ResultFiles.of((row.name, seed), output).paths)
    copies = [copy for row in rows if (copy := ct_path(row, output)) is not None]
    tables = [output / name for name in (CASES_FILE, TRUTH_FILE, FAILURES_FILE)]
    check_own_inputs(read, [*tables, *copies, *(results if output.is_dir() else ())])
    check_results_space(output, rows)


def synthesize(
    generator: TumorGenerator,
    rows: Sequence[ManifestRow],
    output: Path,
    *,
    usual: TumorRequest | None = None,
    resume: bool = False,
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
        on_outcome: function to call after each result or failure.
        on_forewarnings: function to call before each result is grown, with the start of its file names and the warnings
            of ``VariantRun.forewarnings``; the outcome has them too.

    Warns:
        ResumeWarning: an earlier run in the folder was killed, or computed on another kind of device.

    Raises:
        ManifestError: ``output`` is not empty and ``resume`` is not set, it holds results of other scans, rows,
            settings or software, another run works in it, or the run would write over its own input.
        OSError: a file cannot be written.
    """
    check_before_run(output, rows, resume)
    usual = usual or TumorRequest()
    rows = [replace(row, request=row.request.or_else(usual)) for row in rows]
    requests = Requests(generator, rows)
    output.mkdir(exist_ok=True)
    outcomes = []
    with only_run(output):
        earlier = Earlier()
        if resume:
            clear_leftovers(output)
            earlier = earlier_results(output, rows, requests, generator.device.type)
        run = _Cohort(generator, output, requests, earlier, on_forewarnings or (lambda _name, _lines: None))
        for row in rows:
            for outcome in run.outcomes_of(row):
                outcomes.append(outcome)
                if on_outcome is not None:
                    on_outcome(outcome)
        run.sort()
    return outcomes


class _Cohort:
    """One run: makes the missing results, and keeps both tables up to date."""

    def __init__(
        self,
        generator: TumorGenerator,
        output: Path,
        requests: Requests,
        earlier: Earlier,
        on_forewarnings: Callable[[str, tuple[str, ...]], None],
    ) -> None:
        self.generator, self.output, self.requests = generator, output, requests
        self.on_forewarnings = on_forewarnings
        self.records, self.again = dict(earlier.records), earlier.again
        self.cases = Table(output / CASES_FILE, CASES_COLUMNS, self._in_order())
        self.truth = TruthTable(output / TRUTH_FILE, earlier.truth)
        self.failures = Table(output / FAILURES_FILE, FAILURES_COLUMNS)

    def sort(self) -> None:
        """Puts the tables of results in the order of the manifest; the results of a resumed run may be in another."""
        if (in_order := self._in_order()) != self.cases.rows:
            self.cases.replace(in_order)
        self.truth.sort([stem((record["name"], int(record["seed"]))) for record in in_order])

    def _in_order(self) -> list[Record]:
        return [self.records[key] for key in self.requests if key in self.records]

    def outcomes_of(self, row: ManifestRow) -> Iterator[Outcome]:
        for seed in row.seeds:
            if (row.name, seed) in self.records:
                yield Outcome(row.name, (seed,), self.records[row.name, seed], kept=True)
        missing = tuple(seed for seed in row.seeds if (row.name, seed) not in self.records)
        if len(missing) < len(row.seeds):
            self._pass_ct(row)
        if not missing:
            return
        try:
            scan = Scan(self.generator, row)
        except Exception as error:
            yield self._left_out(row, missing, error)
            return
        self._pass_ct(row)
        for seed in missing:
            key = (row.name, seed)
            try:
                case = scan.synthesize(seed, partial(self.on_forewarnings, stem(key)))
            except Exception as error:
                yield self._left_out(row, (seed,), error)
                continue
            remark = [f"Made again, because {self.again[key]}."] if key in self.again else []
            record = self._write(key, case, scan)
            yield Outcome(row.name, (seed,), record, warnings=(*remark, *case.warnings), shortcomings=case.shortcomings)

    def _left_out(self, row: ManifestRow, seeds: tuple[int, ...], error: Exception) -> Outcome:
        reason = reason_of(error, row)
        same = {"name": row.name, "source": row.image.name, "reason": reason}
        self.failures.add(*({**same, "seed": str(seed)} for seed in seeds))
        return Outcome(row.name, seeds, reason=reason)

    def _pass_ct(self, row: ManifestRow) -> None:
        """Copies the CT of a row, unless the copy is there."""
        output = ct_path(row, self.output)
        if row.ct is None or output is None or (output.is_file() and sha256_of(output) == sha256_of(row.ct)):
            return
        PassedThrough(row.ct, output).write()

    def _write(self, key: Key, case: CohortCase, scan: Scan) -> Record:
        files = ResultFiles.of(key, self.output)
        provenance = {
            **case.provenance,
            "image_units": "SUV",
            "case": self.requests[key],
            "region_sha256": scan.read.region_hash,
            **({} if scan.read.ct_hash is None else {"ct": record_of(scan.read.ct_hash)}),
            "quality": case.quality.as_dict(),
            "warnings": list(case.warnings),
        }
        measures = measure_images(case.image, case.mask)
        with ExitStack() as held:
            with all_or_none():  # moved in this order, so that even a kill leaves no image without its mask
                write_segmentation(case.mask, files.mask)
                write_provenance(provenance, self.output / f"{stem(key)}.nii.gz")
                write_volume(case.image, files.image)
                held.enter_context(held_stops())  # until the table has the result
            record = {
                "name": key[0],
                "seed": str(key[1]),
                "source": self.requests[key]["source"],
                "boxes_ras_mm": "; ".join(_box_text(box) for box in case.boxes),
                "suv_max": _figure(measures.suv_max),
                "suv_mean": _figure(measures.suv_mean),
                "volume_ml": _figure(measures.volume_ml),
                "quality": _figure(case.quality.total),
                "redrawn": str(case.redrawn),
                "warnings": " ".join(case.warnings),
                "image": files.image.name,
                "mask": files.mask.name,
                "provenance": files.provenance.name,
                **hash_files(files),
            }
            rows = truth_table([case], person=scan.person, patient=key[0], simulation=stem(key), image=files.image.name)
            try:
                self.truth.add(stem(key), rows)  # before the line of the result, which says that all is there
                self.cases.add(record)
            except OSError:
                if stem(key) in self.truth.lines:
                    self.truth.take_back(stem(key))
                for path in reversed(files.paths):
                    path.unlink(missing_ok=True)
                raise
            self.records[key] = record
        return record


def _box_text(box: Box) -> str:
    return ",".join(f"{value:.2f}" for value in (*ras_to_lps(box.center_lps), *box.size_mm))


def _figure(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"
