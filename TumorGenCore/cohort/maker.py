"""Makes the results of a cohort one by one and writes their files; runs in this process or in a worker process."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from TumorGenCore.cohort.left_out import reason_of
from TumorGenCore.cohort.manifest import ManifestRow
from TumorGenCore.cohort.requests import Requests
from TumorGenCore.cohort.results import Key, Made, Outcome, ResultFiles, ct_path, stem
from TumorGenCore.cohort.resume import hash_files
from TumorGenCore.cohort.scan import CohortCase, Scan
from TumorGenCore.cohort.tables import truth_lines
from TumorGenCore.insertion.truth_table import truth_table
from TumorGenCore.interrupts import held_stops
from TumorGenCore.lesions.measures import measure_images
from TumorGenCore.volumes.file_hash import sha256_of
from TumorGenCore.volumes.geometry import Box, ras_to_lps
from TumorGenCore.volumes.passed_through import PassedThrough, record_of
from TumorGenCore.volumes.provenance_file import write_provenance
from TumorGenCore.volumes.safe_write import all_or_none
from TumorGenCore.volumes.write import write_segmentation, write_volume

if TYPE_CHECKING:
    from TumorGenCore.insertion.generator import TumorGenerator

__all__ = ["CaseMaker", "pass_ct"]


class CaseMaker:
    """Makes results; it keeps the scan of the last row, which its next result often needs.

    Args:
        generator: generator of the tumors.
        output: folder of the results, which exists.
    """

    def __init__(self, generator: TumorGenerator, output: Path) -> None:
        self.generator, self.output = generator, output
        self._row: ManifestRow | None = None

    def read(self, row: ManifestRow) -> None:
        """Reads the scan of a row, unless it is the last one that was read.

        Raises:
            TumorGenError, OSError: the scan, box or region cannot be used.
        """
        if self._row != row:
            self._row = None
            self._scan, self._requests = Scan(self.generator, row), Requests(self.generator, [row])
            self._row = row

    def make(
        self,
        row: ManifestRow,
        seed: int,
        keep: Callable[[Made], None],
        on_forewarnings: Callable[[tuple[str, ...]], None] = lambda _: None,
    ) -> None:
        """Makes one result and writes its files, all or none.

        Args:
            row: the row, with its whole request.
            seed: seed of the result.
            keep: called with the result; after its files are moved, no stop comes in between.
            on_forewarnings: called before the tumors grow, with ``VariantRun.forewarnings``.

        Raises:
            OSError: a file cannot be written. Whatever the scan raises is the outcome.
        """
        is_new = row != self._row
        try:
            self.read(row)
        except Exception as error:
            keep(Made(_left_out(row, seed, error), no_scan=True))
            return
        if is_new:
            pass_ct(row, self.output)
        told: list[str] = []

        def tell(forewarnings: tuple[str, ...]) -> None:
            told.extend(forewarnings)
            on_forewarnings(forewarnings)

        try:
            case = self._scan.synthesize(seed, tell)
        except Exception as error:
            keep(Made(_left_out(row, seed, error), forewarnings=tuple(told)))
            return
        self._write((row.name, seed), case, tuple(told), keep)

    def _write(self, key: Key, case: CohortCase, told: tuple[str, ...], keep: Callable[[Made], None]) -> None:
        files, asked = ResultFiles.of(key, self.output), self._requests[key]
        read = self._scan.read
        provenance = {
            **case.provenance,
            "image_units": "SUV",
            "case": asked,
            "region_sha256": read.region_hash,
            **({} if read.ct_hash is None else {"ct": record_of(read.ct_hash)}),
            "quality": case.quality.as_dict(),
            "warnings": list(case.warnings),
        }
        measures = measure_images(case.image, case.mask)
        truth = truth_lines(
            truth_table([case], person=self._scan.person, patient=key[0], simulation=stem(key), image=files.image.name)
        )
        record = {
            "name": key[0],
            "seed": str(key[1]),
            "source": asked["source"],
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
        }
        with ExitStack() as held:
            with all_or_none():  # moved in this order, so that even a kill leaves no image without its mask
                write_segmentation(case.mask, files.mask)
                write_provenance(provenance, self.output / f"{stem(key)}.nii.gz")
                write_volume(case.image, files.image)
                held.enter_context(held_stops())  # until the result is kept
            outcome = Outcome(
                key[0],
                (key[1],),
                {**record, **hash_files(files)},
                warnings=case.warnings,
                shortcomings=case.shortcomings,
            )
            keep(Made(outcome, truth, told))


def pass_ct(row: ManifestRow, output: Path) -> None:
    """Copies the CT of a row into the folder of the results, unless the copy is there.

    Raises:
        OSError: the copy cannot be written.
    """
    copy = ct_path(row, output)
    if row.ct is None or copy is None or (copy.is_file() and sha256_of(copy) == sha256_of(row.ct)):
        return
    PassedThrough(row.ct, copy).write()


def _left_out(row: ManifestRow, seed: int, error: Exception) -> Outcome:
    return Outcome(row.name, (seed,), reason=reason_of(error, row))


def _box_text(box: Box) -> str:
    return ",".join(f"{value:.2f}" for value in (*ras_to_lps(box.center_lps), *box.size_mm))


def _figure(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"
