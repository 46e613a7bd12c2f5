"""Makes a training set from many cases, for ``tumorgen synthesize`` and for Python::

    rows = read_manifest("manifest.csv")
    synthesize(TumorGenerator.from_pretrained(), rows, Path("made"))

Each result depends only on its row, its seed and the bundle, and not on earlier results. The image of a result is
written last. Therefore a folder of an interrupted run never holds an image whose mask is missing; training would take
its tumors for healthy tissue.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from TumorGenCore.cohort.manifest import ManifestRow
from TumorGenCore.errors import ManifestError, TumorGenError, UnknownUnitsWarning, with_remedy
from TumorGenCore.insertion.provenance import Provenance
from TumorGenCore.insertion.redraw import other_seeds
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.variants import VariantRun
from TumorGenCore.lesions.measures import measure_images
from TumorGenCore.lesions.placement import find_body, place_boxes
from TumorGenCore.lesions.quality import QualityScore
from TumorGenCore.volumes.geometry import Box, Grid, ras_to_lps
from TumorGenCore.volumes.provenance_file import write_provenance
from TumorGenCore.volumes.read import read_mask, read_volume
from TumorGenCore.volumes.safe_write import check_folder, replacing
from TumorGenCore.volumes.write import write_segmentation, write_volume

if TYPE_CHECKING:
    from TumorGenCore.insertion.generator import TumorGenerator

__all__ = ["CASES_FILE", "Outcome", "check_output_folder", "synthesize"]

CASES_FILE = "cases.csv"
_COLUMNS = (
    "name",
    "seed",
    "source",
    "boxes_ras_mm",
    "suv_max",
    "suv_mean",
    "volume_ml",
    "quality",
    "redrawn",
    "warnings",
    "image",
    "mask",
    "provenance",
)

_FACTOR_REMEDY = "Add a column suv_factor to the manifest."

Record = dict[str, str]
Key = tuple[str, int]


@dataclass(frozen=True)
class Outcome:
    """Outcome of one or several results of a row.

    Args:
        name: name of the row.
        seeds: seeds of the results; if the scan cannot be used, all seeds of the row that are still missing.
        record: line of ``cases.csv``; None if the result failed.
        reason: why the result failed.
        warnings: warnings for the user.
        kept: whether the result comes from an earlier run.
    """

    name: str
    seeds: tuple[int, ...]
    record: Record | None = None
    reason: str = ""
    warnings: tuple[str, ...] = ()
    kept: bool = False


def check_output_folder(output: Path, resume: bool) -> None:
    """Checks, before any work, that a run can use the folder and does not mix its results with other files.

    Raises:
        ManifestError: the folder holds files and ``resume`` is not set.
        OSError: ``output`` is a file, or it cannot be created or written to.
    """
    if output.exists() and not output.is_dir():
        raise NotADirectoryError(f"{output} is a file. Give a folder for the results.")
    if not output.exists():
        check_folder(output)
    elif not resume and any(output.iterdir()):
        raise ManifestError(f"{output} is not empty. Give a new folder, or use --resume to continue the run in it.")
    else:
        check_folder(output / CASES_FILE)


def synthesize(
    generator: TumorGenerator,
    rows: Sequence[ManifestRow],
    output: Path,
    *,
    usual: TumorRequest | None = None,
    resume: bool = False,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Makes every result of a manifest.

    Writes for each result:

    - NAME_SEED_image.nii.gz in SUV: unchanged voxels if the input is in SUV, else float32;
    - NAME_SEED_mask.nii.gz: 0 and 1, the union of its tumors;
    - NAME_SEED.provenance.json;
    - a line in ``cases.csv``; its boxes are CX,CY,CZ,SX,SY,SZ joined by "; ", with edges along the axes of the box,
      which are in the provenance; ``quality`` is the quality of the poorest tumor, and ``redrawn`` is the number of
      tumors that were drawn again.

    A row that cannot be used is left out, and the run goes on. An output that cannot be written stops the run.

    Args:
        generator: generator for all results.
        rows: from ``read_manifest``.
        output: folder of the results; it is created if it does not exist.
        usual: steps, solver and least quality for rows that do not give them. A tumor below the least quality is drawn
            again with other noise in the same box.
        resume: keep complete results that were made with the same row and settings.
        on_outcome: function to call after each result or failure.

    Raises:
        ManifestError: ``output`` is not empty and ``resume`` is not set, or it holds results of other rows or settings.
        OSError: a file cannot be written.
    """
    check_output_folder(output, resume)
    usual = usual or TumorRequest()
    run = _Cohort(generator, output, [replace(row, request=row.request.or_else(usual)) for row in rows])
    if resume:
        run.take_up()
    output.mkdir(exist_ok=True)
    outcomes = []
    for row in run.rows:
        for outcome in run.outcomes_of(row):
            outcomes.append(outcome)
            if on_outcome is not None:
                on_outcome(outcome)
    return outcomes


class _Cohort:
    def __init__(self, generator: TumorGenerator, output: Path, rows: Sequence[ManifestRow]) -> None:
        self.generator, self.output, self.rows = generator, output, rows
        self.requests = {(row.name, seed): self._request(row, seed) for row in rows for seed in row.seeds}
        self.records: dict[Key, Record] = {}

    def _request(self, row: ManifestRow, seed: int) -> dict[str, Any]:
        """Returns everything that decides a result, except the voxels, ready for JSON; paths without their folders."""
        return {
            "source": row.image.name,
            "box": None
            if row.box is None
            else [*row.box.center_lps, *row.box.size_mm, *np.ravel(row.box.axes).tolist()],
            "region": None if row.region is None else row.region.name,
            "tumors": row.tumors,
            "seed": seed,
            **row.request.as_dict(),
            **self.generator.check(row.request, row.seeds).as_dict(),
            "suv_factor": row.suv_factor,
            "bundle_hash": self.generator.bundle.bundle_hash,
        }

    def take_up(self) -> None:
        """Takes over the complete results of an earlier run."""
        path = self.output / CASES_FILE
        if not path.is_file():
            return
        for record in _read_table(path):
            key = (record["name"], int(record["seed"]))
            if key not in self.requests:
                raise ManifestError(
                    f"{CASES_FILE} has a result {_stem(key)} that is not in the manifest. Put its row back, or give "
                    "another folder."
                )
            if all((self.output / record[kind]).is_file() for kind in ("image", "mask", "provenance")):
                self._require_same(key, self.output / record["provenance"])
                self.records[key] = record

    def _require_same(self, key: Key, provenance: Path) -> None:
        try:
            made = dict(json.loads(provenance.read_text(encoding="utf-8"))).get("case")
        except (ValueError, TypeError) as error:
            raise ManifestError(f"{provenance.name} is damaged ({error}). Delete the results of {key[0]}.") from error
        if made is None:
            raise ManifestError(
                f"{_stem(key)} was made by TumorGen 0.4.1 or earlier, and a run cannot mix its results with new ones. "
                "Give another folder."
            )
        asked = self.requests[key]
        for what in (*asked, *(name for name in made if name not in asked)):
            if made.get(what) != (value := asked.get(what)):
                raise ManifestError(
                    f"{_stem(key)} was made with {what} {made.get(what)}; this run has {value}. Give another folder, "
                    f"or delete the results of {key[0]}."
                )

    def outcomes_of(self, row: ManifestRow) -> Iterator[Outcome]:
        for seed in row.seeds:
            if (row.name, seed) in self.records:
                yield Outcome(row.name, (seed,), self.records[row.name, seed], kept=True)
        missing = tuple(seed for seed in row.seeds if (row.name, seed) not in self.records)
        if not missing:
            return
        try:
            scan = _Scan(self.generator, row)
        except (TumorGenError, OSError) as error:
            yield Outcome(row.name, missing, reason=with_remedy(error, _FACTOR_REMEDY))
            return
        for seed in missing:
            try:
                case = scan.synthesize(seed)
            except TumorGenError as error:
                yield Outcome(row.name, (seed,), reason=str(error))
                continue
            yield Outcome(row.name, (seed,), self._write((row.name, seed), case), warnings=case.warnings)

    def _write(self, key: Key, case: _Case) -> Record:
        image = self.output / f"{_stem(key)}_image.nii.gz"
        mask = self.output / f"{_stem(key)}_mask.nii.gz"
        provenance = {
            **case.provenance,
            "image_units": "SUV",
            "case": self.requests[key],
            "quality": case.quality.as_dict(),
        }
        image.unlink(missing_ok=True)  # from an interrupted run: it must not lie beside the new mask
        beside = write_provenance(provenance, self.output / f"{_stem(key)}.nii.gz")
        write_segmentation(case.mask, mask)
        write_volume(case.image, image)
        measures = measure_images(case.image, case.mask)
        self.records[key] = {
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
            "image": image.name,
            "mask": mask.name,
            "provenance": beside.name,
        }
        self._write_table()
        return self.records[key]

    def _write_table(self) -> None:
        """Writes the table in the order of the manifest."""
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.records[key] for key in self.requests if key in self.records)
        with replacing(self.output / CASES_FILE) as temporary:
            temporary.write_text(table.getvalue(), encoding="utf-8")


@dataclass(frozen=True)
class _Case:
    """One result: image in SUV, union of the tumor masks, boxes and provenance of the tumors.

    ``quality`` is the quality of the poorest tumor, and ``redrawn`` is the number of tumors that were drawn again.
    """

    image: sitk.Image
    mask: sitk.Image
    boxes: tuple[Box, ...]
    provenance: Provenance
    quality: QualityScore
    redrawn: int
    warnings: tuple[str, ...]


class _Scan:
    """The scan of a row, read once, with everything that does not depend on the seed.

    Raises:
        TumorGenError, OSError: the scan, box or region cannot be used.
    """

    def __init__(self, generator: TumorGenerator, row: ManifestRow) -> None:
        self.generator, self.row = generator, row
        # Recorded for the table. Other warnings are dropped, because those of a DICOM reader may quote a person's tags.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UnknownUnitsWarning)
            self.volume = read_volume(row.image, row.suv_factor)
        self.warnings = tuple(
            with_remedy(w.message, _FACTOR_REMEDY) for w in caught if isinstance(w.message, UnknownUnitsWarning)
        )
        self.grid = Grid.from_image(self.volume.image)
        if row.box is not None:
            self.prepared = generator.prepare(self.volume, row.box)
        else:
            suv = sitk.GetArrayViewFromImage(self.volume.image) * np.float32(self.volume.units.suv_factor)
            self.body = find_body(suv, self.grid.spacing_mm)
            self.region = self.body if row.region is None else read_mask(row.region, self.grid)

    def synthesize(self, seed: int) -> _Case:
        """Makes one result; the second tumor is inserted into the image that has the first."""
        boxes = self._boxes(seed)
        prepared = self.generator.prepare(self.volume, boxes[0]) if self.row.box is None else self.prepared
        run = VariantRun(
            self.generator,
            prepared,
            self.row.request,
            (seed,),
            more_boxes=boxes[1:],
            redraw_seeds=other_seeds(seed),
        )
        (variant,) = run
        remarks = (*self.warnings, *variant.warnings, *([run.remark] if run.remark else []))
        return _Case(
            image=_in_suv(variant.image, self.volume.units.suv_factor),
            mask=variant.mask,
            boxes=boxes,
            provenance=variant.provenance,
            quality=variant.quality,
            redrawn=len(run.redrawn),
            warnings=tuple(dict.fromkeys(remarks)),
        )

    def _boxes(self, seed: int) -> tuple[Box, ...]:
        if self.row.box is not None:
            return (self.row.box,)
        # With the name, rows that all keep the default seed do not all get boxes of the same sizes.
        name = int.from_bytes(hashlib.sha256(self.row.name.encode()).digest()[:8], "big")
        rng = np.random.default_rng([seed, name])
        return tuple(place_boxes(self.region, self.body, self.grid, rng, self.row.tumors))


def _read_table(path: Path) -> list[Record]:
    """Reads the lines of ``cases.csv``.

    Raises:
        ManifestError: the file is damaged or from another version.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            records = list(reader)
        if tuple(reader.fieldnames or ()) == _COLUMNS and all(record["seed"].isdecimal() for record in records):
            return records
    except (csv.Error, UnicodeDecodeError, AttributeError, TypeError) as error:
        raise ManifestError(f"{path} is damaged ({error}). Give another folder.") from error
    raise ManifestError(f"{path} is damaged or from another version of TumorGen. Give another folder.")


def _in_suv(image: sitk.Image, factor: float) -> sitk.Image:
    if factor == 1:
        return image
    return sitk.Cast(sitk.Cast(image, sitk.sitkFloat64) * factor, sitk.sitkFloat32)


def _stem(key: Key) -> str:
    return f"{key[0]}_{key[1]}"


def _box_text(box: Box) -> str:
    return ",".join(f"{value:.2f}" for value in (*ras_to_lps(box.center_lps), *box.size_mm))


def _figure(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"
