"""Output files of one synthetic volume: adds their options, checks them before any work, and writes them."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from TumorGenCore.console.study_outputs import StudyOutputs, add_study_output, segment_images
from TumorGenCore.console.truth_outputs import TruthOutputs, add_truth_outputs, path_of_seed, refuse_doubles
from TumorGenCore.console.variants import describe_variant
from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.interrupts import StopRequest
from TumorGenCore.volumes.provenance_file import provenance_path

if TYPE_CHECKING:
    from TumorGenCore.insertion.variants import Variant
    from TumorGenCore.volumes.volume import PetVolume

__all__ = ["Outputs", "add_outputs"]


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the files of a variant, and those of ``add_truth_outputs`` and ``add_study_output``."""
    parser.add_argument("--output-image", type=Path, required=True, metavar="OUT.nrrd")
    parser.add_argument(
        "--output-mask",
        type=Path,
        required=True,
        metavar="OUT.seg.nrrd",
        help="the mask; OUT.dcm writes DICOM SEG if the PET is DICOM",
    )
    parser.add_argument("--output-probability", type=Path, metavar="OUT.nrrd", help="the soft mask")
    parser.add_argument("--preview", type=Path, metavar="OUT.png", help="picture of three planes, before and after")
    add_truth_outputs(parser)
    add_study_output(parser)


@dataclass(frozen=True)
class Outputs:
    """Output files of a run.

    Args:
        inputs: files and folders that the command reads, the scan first.
        image: path of the image.
        mask: path of the mask.
        probability: path of the soft mask, or None.
        preview: path of the picture, or None.
        more: truth table, increment and CT.
        study: DICOM study.
        has_seeds: whether the files of each variant have its seed in their names.
    """

    inputs: tuple[Path, ...]
    image: Path
    mask: Path
    probability: Path | None
    preview: Path | None
    more: TruthOutputs
    study: StudyOutputs
    has_seeds: bool = False

    @classmethod
    def of(cls, options: argparse.Namespace, *more_inputs: Path | None, has_seeds: bool = False) -> Outputs:
        """Returns the outputs that the options ask for.

        Args:
            options: parsed options of ``add_outputs``, and ``pet``, the scan.
            more_inputs: other files that the command reads; None is left out.
            has_seeds: see the class.
        """
        more = TruthOutputs.of(options, [options.pet, *(path for path in more_inputs if path)], has_seeds)
        paths = (options.output_image, options.output_mask, options.output_probability, options.preview)
        return cls(more.inputs, *paths, more, StudyOutputs.of(options, options.pet, has_seeds), has_seeds)

    def check(self, seeds: Iterable[int]) -> None:
        """Checks, before any work, that the outputs can be written and replace neither an input nor each other.

        Args:
            seeds: seeds of the variants.

        Raises:
            InvalidRequestError, UnsupportedVolumeError, OSError: an output cannot be written to its path.
        """
        from TumorGenCore.volumes.dicom_seg import check_dicom_seg
        from TumorGenCore.volumes.dicom_series import pet_series
        from TumorGenCore.volumes.safe_write import check_name
        from TumorGenCore.volumes.write import check_writable

        inputs = self.inputs
        if _is_dicom(self.mask):
            check_dicom_seg(self.mask, self.inputs[0])
            inputs += tuple(pet_series(self.inputs[0])[0])
        taken: set[str] = set()
        beside: set[Path] = set()  # image and mask may share a record
        for seed in seeds if self.has_seeds else (0,):
            image, mask, probability, preview = self._paths(seed)
            volumes = [path for path in (image, mask, probability) if path]
            records = [provenance_path(path) for path in volumes]
            for path in volumes:
                if not _is_dicom(path):
                    check_writable(path)
            for path in records:  # each is beside a volume, so its folder has been tried
                check_name(path)
            if preview:
                _check_preview(preview)
            shown = [preview] if preview else []
            _refuse_inputs([*volumes, *records, *shown], inputs)
            refuse_doubles((*volumes, *shown), taken)
            beside.update(records)
        refuse_doubles(beside, taken)
        others = self.more.check(seeds)
        refuse_doubles(others, taken)
        self.study.check(inputs, [*filter(None, self._paths(0)), *others])

    def check_space(self, volume: PetVolume, count: int) -> None:
        """Checks, before the tumors are made, that the disks have room for the outputs.

        Args:
            volume: the scan.
            count: number of variants.

        Raises:
            OSError: a disk has too little free space.
        """
        from TumorGenCore.volumes.safe_write import check_space
        from TumorGenCore.volumes.write import estimated_size

        check_space({self.image: count * estimated_size(volume.image, self.image)})

    def write(self, variants: Sequence[Variant], volume: PetVolume, interrupted: StopRequest) -> list[dict[str, Any]]:
        """Writes the files of all variants or none, and returns the descriptions of the variants.

        Args:
            variants: variants to write.
            volume: scan that the variants were made from.
            interrupted: request of the user to stop.

        Raises:
            InvalidRequestError: the file of a redrawn variant would replace an input.
            OSError: a file cannot be written.
        """
        from TumorGenCore.volumes.safe_write import all_or_none

        written = []
        with all_or_none():
            for variant in variants:
                written.append(self._write(variant, volume))
                interrupted.stop()
            self.more.write_truth(variants, [self._paths(variant.seed)[0] for variant in variants])
        return written

    def _write(self, variant: Variant, volume: PetVolume) -> dict[str, Any]:
        """Writes the mask first and the image last."""
        from TumorGenCore.insertion.pictures import save_preview
        from TumorGenCore.volumes.dicom_seg import write_dicom_seg
        from TumorGenCore.volumes.write import write_segmentation, write_volume

        image, mask, probability, preview = paths = self._paths(variant.seed)
        _refuse_inputs(filter(None, paths), self.inputs)
        provenance = {**variant.provenance, **self.more.record()}
        if _is_dicom(mask):
            write_dicom_seg(variant.mask, self.inputs[0], mask, provenance)
        else:
            write_segmentation(variant.mask, mask, provenance=provenance)
        if probability:
            write_volume(variant.mask_probability, probability, provenance)
        increments = self.more.write_increment(variant, variant.seed, provenance)
        if preview:
            boxes, factor = [tumor.prepared.box for tumor in variant.tumors], volume.units.suv_factor
            title = f"seed {variant.seed}"
            save_preview(volume.image, variant.image, variant.mask, boxes, preview, factor, title=title)
        write_volume(variant.image, image, provenance)
        masks = segment_images(variant.segments, variant.image)
        studies = self.study.write(variant.image, masks, variant.seed, provenance)
        return describe_variant(variant.summary, [*(path for path in paths if path), *increments, *studies])

    def _paths(self, seed: int) -> tuple[Path, Path, Path | None, Path | None]:
        """Paths of image, mask, soft mask and picture of a variant."""

        def path_of(path: Path) -> Path:
            return path_of_seed(path, seed if self.has_seeds else None)

        soft, preview = self.probability, self.preview
        return path_of(self.image), path_of(self.mask), soft and path_of(soft), preview and path_of(preview)


def _refuse_inputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuses an output that is a file that the command reads, also by a link or in another case."""
    from TumorGenCore.volumes.safe_write import overwritten_input

    if found := overwritten_input(outputs, inputs):
        raise InvalidRequestError(f"{found[0]} is an input. Give each output a file of its own.")


def _check_preview(path: Path) -> None:
    from TumorGenCore.volumes.safe_write import check_file

    if path.suffix.lower() != ".png":
        raise InvalidRequestError(f"The preview {path.name} must end in .png.")
    check_file(path)


def _is_dicom(path: Path) -> bool:
    from TumorGenCore.volumes.dicom_seg import DICOM_SEG_SUFFIX

    return path.suffix.lower() == DICOM_SEG_SUFFIX
