"""Outputs for physicists beside image and mask: truth table, increment, and the CT that comes with the scan.

Command line and headless script share them.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from TumorGenCore.console.report import Report
from TumorGenCore.errors import InvalidRequestError

if TYPE_CHECKING:
    import SimpleITK as sitk

    from TumorGenCore.insertion.increment import IncrementUnits
    from TumorGenCore.insertion.truth_table import HasTruth
    from TumorGenCore.volumes.passed_through import PassedThrough
    from TumorGenCore.volumes.volume import PetVolume

__all__ = ["TruthOutputs", "add_truth_outputs", "path_of_seed", "refuse_doubles"]

_SUV, _SCAN = "suv", "scan"


class HasIncrement(Protocol):
    """A synthetic volume or tumor that knows its increment."""

    def increment(self, units: IncrementUnits) -> sitk.Image:
        """Returns the increment in some units."""


def add_truth_outputs(parser: argparse.ArgumentParser) -> None:
    """Adds ``--truth``, ``--output-increment``, ``--increment-units``, ``--ct`` and ``--output-ct``."""
    parser.add_argument(
        "--truth",
        type=Path,
        metavar="TRUTH.csv",
        help="table of what is known about each tumor (.csv or .json); of a DICOM PET also age, sex, weight and dose",
    )
    parser.add_argument(
        "--output-increment", type=Path, metavar="OUT.nrrd", help="what the tumor changed: after minus before"
    )
    parser.add_argument(
        "--increment-units", choices=(_SUV, _SCAN), default=_SUV, help="SUV, or the scan's own units (default: suv)"
    )
    parser.add_argument("--ct", type=Path, metavar="CT", help="the CT of the scan, which passes through unchanged")
    parser.add_argument("--output-ct", type=Path, metavar="OUT.nii.gz", help="copy of the CT; the same suffix")


@dataclass
class TruthOutputs:
    """The outputs that the options ask for.

    Args:
        inputs: files and folders that the command reads, the scan first.
        truth: path of the truth table, or None.
        increment: path of the increment, or None.
        units: units of the increment.
        ct: the CT and its copy, or None.
        has_seeds: whether the increment of each variant has its seed in its name.
    """

    inputs: tuple[Path, ...]
    truth: Path | None
    increment: Path | None
    units: IncrementUnits
    ct: PassedThrough | None
    has_seeds: bool = False
    _ct_record: dict[str, Any] | None = field(default=None, init=False)

    @classmethod
    def of(cls, options: argparse.Namespace, inputs: Sequence[Path], has_seeds: bool = False) -> TruthOutputs:
        """Returns the outputs that the options of ``add_truth_outputs`` ask for.

        Args:
            options: the parsed options.
            inputs: files and folders that the command reads, the scan first; the CT is added.
            has_seeds: see the class.

        Raises:
            InvalidRequestError, UnsupportedVolumeError: CT and its copy are not both given, or the CT is a folder.
        """
        from TumorGenCore.volumes.passed_through import PassedThrough, check_ct

        ct = None
        if options.output_ct and not options.ct:
            raise InvalidRequestError("--output-ct needs --ct, the CT that comes with the scan.")
        if options.ct and options.output_ct:
            ct = PassedThrough(options.ct, options.output_ct)
            inputs = (*inputs, options.ct)
        elif options.ct and getattr(options, "output_dicom", None) is None:  # a study takes the CT too
            check_ct(options.ct)
            raise InvalidRequestError("--ct needs --output-ct, the file that the CT is copied to.")
        return cls(tuple(inputs), options.truth, options.output_increment, options.increment_units, ct, has_seeds)

    def check(self, seeds: Iterable[int], at: Callable[[Path], Path] = lambda path: path) -> list[Path]:
        """Checks, before any work, that the outputs can be written and replace no input; returns their paths.

        Args:
            seeds: seeds of the variants.
            at: where to try to write instead of a path, because its folder will be made.

        Raises:
            InvalidRequestError, UnsupportedVolumeError, OSError: an output cannot be written to its path, or the CT
                cannot be used.
        """
        from TumorGenCore.insertion.truth_table import check_truth_path
        from TumorGenCore.volumes.write import check_writable

        if self.truth:
            check_truth_path(at(self.truth))
        if self.ct:
            replace(self.ct, output=at(self.ct.output)).check()
        increments = [self._increment_path(seed) for seed in (seeds if self.has_seeds else (0,))]
        for path in filter(None, increments):
            check_writable(at(path))
        paths = [path for path in (self.truth, self.ct and self.ct.output, *increments) if path]
        self._refuse_inputs(paths)
        return paths

    def _increment_path(self, seed: int) -> Path | None:
        return self.increment and path_of_seed(self.increment, seed if self.has_seeds else None)

    def _refuse_inputs(self, paths: Iterable[Path]) -> None:
        from TumorGenCore.volumes.safe_write import overwritten_input

        if found := overwritten_input(paths, self.inputs):
            raise InvalidRequestError(f"{found[0]} is an input. Give each output a file of its own.")

    def warnings(self, volume: PetVolume) -> list[str]:
        """Warnings about the CT, before the work.

        Args:
            volume: the scan.

        Raises:
            UnsupportedVolumeError: the CT is damaged or cannot be used.
        """
        from TumorGenCore.volumes.passed_through import overlap_warnings

        return overlap_warnings(self.ct.source, volume) if self.ct else []

    def record(self) -> dict[str, Any]:
        """Writes the CT at the first call, and returns what the provenance of each output says of it."""
        if self.ct is not None and self._ct_record is None:
            self._ct_record = {"ct": self.ct.write()}
        return self._ct_record or {}

    def write_increment(self, made: HasIncrement, seed: int, provenance: dict[str, Any]) -> list[Path]:
        """Writes the increment of a variant, and returns the paths that it wrote.

        Args:
            made: the variant.
            seed: its seed.
            provenance: its provenance.
        """
        from TumorGenCore.volumes.write import write_volume

        path = self._increment_path(seed)
        if path is None:
            return []
        self._refuse_inputs([path])  # the seeds of redraws are known only after the work
        write_volume(made.increment(self.units), path, {**provenance, "increment_units": self.units})
        return [path]

    def write_truth(self, variants: Sequence[HasTruth], images: Sequence[Path]) -> None:
        """Writes the truth table of all variants.

        Args:
            variants: the variants.
            images: their images.
        """
        from TumorGenCore.insertion.truth_table import truth_table, write_truth_table
        from TumorGenCore.volumes.person import read_person

        if self.truth is None:
            return
        person = read_person(self.inputs[0])
        rows: list[dict[str, Any]] = []
        for variant, image in zip(variants, images, strict=True):
            rows += truth_table([variant], person=person, image=image.name)
        write_truth_table(rows, self.truth)

    def tell(self, report: Report) -> None:
        """Adds truth table and CT to the values of a report, and prints them."""
        if self.truth:
            report.values["truth"] = str(self.truth)
            report.say(f"Truth table: {self.truth}")
        if self.ct and self._ct_record:
            report.values["ct"] = {**self._ct_record["ct"], "file": str(self.ct.output)}
            report.say(f"CT passed through unchanged: {self.ct.output}")


def path_of_seed(path: Path, seed: int | None) -> Path:
    """Returns a path with ``-seedN`` before its suffixes; for None the path itself."""
    stem, dot, suffixes = path.name.partition(".")
    return path if seed is None else path.with_name(f"{stem}-seed{seed}{dot}{suffixes}")


def refuse_doubles(paths: Iterable[Path], taken: set[str]) -> None:
    """Refuses an output that is another output too; many disks do not tell A from a.

    Args:
        paths: outputs, which are added to ``taken``.
        taken: outputs before these, folded.

    Raises:
        InvalidRequestError: a path is used twice.
    """
    from TumorGenCore.volumes.safe_write import folded

    for path in paths:
        place = folded(os.path.realpath(path))
        if place in taken:
            raise InvalidRequestError(
                f"{path} is used for two outputs; many disks do not tell A from a. Give each output a file of its own."
            )
        taken.add(place)
