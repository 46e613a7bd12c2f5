"""The DICOM study of each variant. Command line and headless script share it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from TumorGenCore.errors import InvalidRequestError

if TYPE_CHECKING:
    import SimpleITK as sitk

    from TumorGenCore.dicom_study.study import StudySource
    from TumorGenCore.insertion.segment import Segment

__all__ = ["StudyOutputs", "add_study_output", "segment_images"]


def add_study_output(parser: argparse.ArgumentParser) -> None:
    """Adds ``--output-dicom``."""
    parser.add_argument(
        "--output-dicom",
        type=Path,
        metavar="FOLDER",
        help="a new folder for a DICOM study of a synthetic patient: PET, SEG and RTSTRUCT, and the CT if --ct is the "
        "folder of its DICOM series",
    )


@dataclass
class StudyOutputs:
    """The studies that the options ask for.

    Args:
        folder: folder of the studies; None writes none.
        scan: the scan.
        ct: folder of the CT series that comes along, or None.
        has_seeds: whether the study of each variant has a folder of its own in ``folder``, with its seed.
    """

    folder: Path | None
    scan: Path
    ct: Path | None = None
    has_seeds: bool = False
    _source: StudySource | None = field(default=None, init=False)

    @classmethod
    def of(cls, options: argparse.Namespace, scan: Path, has_seeds: bool = False) -> StudyOutputs:
        """Returns the studies that ``--output-dicom`` and ``--ct`` ask for.

        Args:
            options: the parsed options.
            scan: the scan.
            has_seeds: see the class.

        Raises:
            InvalidRequestError: the CT is no folder, and nothing else needs it.
        """
        ct = options.ct
        if options.output_dicom and ct and not ct.is_dir():
            if not options.output_ct:
                raise InvalidRequestError(f"{ct} is no folder. For the DICOM study, give the folder of the CT series.")
            ct = None  # a file goes to --output-ct
        return cls(options.output_dicom, scan, ct, has_seeds)

    def check(self, inputs: Sequence[Path], outputs: Iterable[Path]) -> None:
        """Checks, before any work, that the studies can be written, and reads the headers that they begin from.

        Args:
            inputs: files and folders that the command reads.
            outputs: its other outputs, which must not lie in the folder.

        Raises:
            TumorGenError, OSError: see ``check_study_folder`` and ``StudySource.of``.
        """
        if self.folder is None:
            return
        from TumorGenCore.dicom_study.study import StudySource, check_study_folder

        check_study_folder(self.folder, [*inputs, *([self.ct] if self.ct else [])])
        place = self.folder.resolve()
        for path in outputs:
            if place in (path.resolve(), *path.resolve().parents):
                raise InvalidRequestError(f"{path} would lie in the folder of the DICOM study. Give another place.")
        self._source = StudySource.of(self.scan, self.ct)

    def write(
        self, image: sitk.Image, masks: Iterable[sitk.Image], seed: int, provenance: Mapping[str, Any]
    ) -> list[Path]:
        """Writes the study of a variant, and returns its folder; nothing if none is asked for.

        Args:
            image: whole result.
            masks: a mask for each tumor.
            seed: seed of the variant.
            provenance: record of the variant.

        Raises:
            TumorGenError, OSError: see ``write_dicom_study``.
        """
        if self.folder is None:
            return []
        from TumorGenCore.dicom_study.study import write_dicom_study

        folder = self.folder / f"seed{seed}" if self.has_seeds else self.folder
        write_dicom_study(folder, image, list(masks), provenance, self._source)
        return [folder]


def segment_images(segments: Iterable[Segment], image: sitk.Image) -> Iterator[sitk.Image]:
    """Yields the mask of each tumor on the grid of an image; a tumor that a later one replaced has none."""
    import numpy as np

    from TumorGenCore.volumes.geometry import Grid

    grid = Grid.from_image(image)
    for segment in segments:
        if segment.mask.any():
            whole = np.zeros(grid.size_ijk[::-1], dtype=np.uint8)
            whole[segment.region] = segment.mask
            yield grid.image_from_array(whole)
