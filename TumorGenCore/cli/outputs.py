"""Output files of one synthetic volume: adds their options, checks them before any work, and writes them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from TumorGenCore.console.variants import describe_variant
from TumorGenCore.errors import InvalidRequestError

if TYPE_CHECKING:
    from TumorGenCore.insertion.variants import Variant
    from TumorGenCore.volumes.volume import PetVolume

__all__ = ["add_outputs", "check_outputs", "write_variant"]


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """Adds ``--output-image``, ``--output-mask``, ``--output-probability`` and ``--preview``."""
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


def check_outputs(pet: Path, options: argparse.Namespace) -> None:
    """Checks, before any work, that the outputs can be written and replace neither the scan nor each other.

    Args:
        pet: path of the scan.
        options: parsed options of ``add_outputs``.

    Raises:
        InvalidRequestError, UnsupportedVolumeError, OSError: an output cannot be written to its path.
    """
    from TumorGenCore.volumes.dicom_seg import check_dicom_seg
    from TumorGenCore.volumes.write import check_writable

    if _is_dicom(options.output_mask):
        check_dicom_seg(options.output_mask, pet)
    else:
        check_writable(options.output_mask)
    for path in filter(None, (options.output_image, options.output_probability)):
        check_writable(path)
    if options.preview:
        _check_preview(options.preview)
    taken = {pet.resolve()}
    for path in filter(None, (options.output_image, options.output_mask, options.output_probability, options.preview)):
        if path.resolve() in taken:
            raise InvalidRequestError(
                f"{path} is the input or is used for two outputs. Give each output a file of its own."
            )
        taken.add(path.resolve())


def write_variant(variant: Variant, volume: PetVolume, pet: Path, paths: Sequence[Path | None]) -> dict[str, Any]:
    """Writes the files of one variant and returns its description.

    Args:
        variant: variant to write.
        volume: scan that the variant was made from.
        pet: file or folder of the scan.
        paths: paths of image, mask, soft mask and picture; the last two may be None.

    Raises:
        OSError: a file cannot be written.
    """
    from TumorGenCore.insertion.pictures import save_preview
    from TumorGenCore.volumes.dicom_seg import write_dicom_seg
    from TumorGenCore.volumes.write import write_segmentation, write_volume

    image, mask, probability, preview = paths
    assert image is not None and mask is not None
    write_volume(variant.image, image, variant.provenance)
    if _is_dicom(mask):
        write_dicom_seg(variant.mask, pet, mask, variant.provenance)
    else:
        write_segmentation(variant.mask, mask, provenance=variant.provenance)
    if probability:
        write_volume(variant.mask_probability, probability, variant.provenance)
    if preview:
        box, factor = variant.tumors[0].prepared.box, volume.units.suv_factor
        save_preview(volume.image, variant.image, variant.mask, box, preview, factor, title=f"seed {variant.seed}")
    return describe_variant(variant.summary, [path for path in paths if path])


def _check_preview(path: Path) -> None:
    if path.suffix.lower() != ".png":
        raise InvalidRequestError(f"The preview {path.name} must end in .png.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} for {path.name}. Create it first.")


def _is_dicom(path: Path) -> bool:
    from TumorGenCore.volumes.dicom_seg import DICOM_SEG_SUFFIX

    return path.suffix.lower() == DICOM_SEG_SUFFIX
