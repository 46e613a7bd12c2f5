"""The scan of a row: read once, for all its seeds."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.cohort.manifest import ManifestRow
from TumorGenCore.insertion.provenance import Provenance
from TumorGenCore.insertion.redraw import other_seeds
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.tumor import Shortcoming
from TumorGenCore.insertion.variants import VariantRun
from TumorGenCore.lesions.lesion_sizes import WHOLE_BODY
from TumorGenCore.lesions.placement import find_body, place_boxes
from TumorGenCore.lesions.quality import QualityScore
from TumorGenCore.volumes.file_hash import sha256_of
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.passed_through import overlap_warnings
from TumorGenCore.volumes.person import read_person
from TumorGenCore.volumes.read import read_mask, read_volume
from TumorGenCore.volumes.remarks import noted_warnings
from TumorGenCore.volumes.volume import PetVolume

if TYPE_CHECKING:
    from TumorGenCore.insertion.generator import TumorGenerator

__all__ = ["FACTOR_REMEDY", "CohortCase", "ReadRow", "Scan", "read_row"]

#: Tells users of a manifest how to give the factor to SUV.
FACTOR_REMEDY = "Add a column suv_factor to the manifest."


@dataclass(frozen=True)
class ReadRow:
    """The files of a row.

    Args:
        volume: the scan, with the remarks of reading both files.
        region: voxels (k, j, i) of the region or organ to place tumors in; None if the row names none.
        request: properties of each tumor, with the ratio to the row's reference region.
        ct_hash: SHA-256 of the file of the CT; None if the row names no CT.
    """

    volume: PetVolume
    region: NDArray[np.bool_] | None
    request: TumorRequest
    ct_hash: str | None = None

    @property
    def region_hash(self) -> str | None:
        """SHA-256 of the region on the grid of the scan; None without a region."""
        return None if self.region is None else hashlib.sha256(np.packbits(self.region).data).hexdigest()


def read_row(row: ManifestRow) -> ReadRow:
    """Reads the scan, the region and the CT of a row, and measures its reference region.

    Raises:
        UnsupportedVolumeError: a file cannot be used.
        InvalidRequestError: the reference region cannot be used.
    """
    region, ct_hash, remarks, about_ct, about_reference = None, None, list[str](), list[str](), list[str]()
    with warnings.catch_warnings():
        # The volume has the remarks. Other warnings are dropped: those of a DICOM reader may quote a person's tags.
        warnings.simplefilter("ignore")
        volume = read_volume(row.image, row.suv_factor)
        if row.region is not None:
            with noted_warnings(row.region, "The region") as remarks:
                region = read_mask(row.region, Grid.from_image(volume.image))
        if row.organ is not None:
            with noted_warnings(row.organ.labels, "The labels") as remarks:
                region = row.organ.mask(volume)
        request = row.request
        if row.reference is not None:
            with noted_warnings(row.reference.file, "The reference") as about_reference:
                request = row.reference.asked(request, volume)
        if row.ct is not None:
            ct_hash = sha256_of(row.ct)
            about_ct = overlap_warnings(row.ct, volume)
    units = volume.units.with_remedy(FACTOR_REMEDY)
    remarks = [*volume.remarks, *remarks, *about_ct, *about_reference]
    return ReadRow(replace(volume, units=units, remarks=tuple(remarks)), region, request, ct_hash)


@dataclass(frozen=True)
class CohortCase:
    """One result: image in SUV, union of the tumor masks, boxes and provenance of the tumors.

    ``quality`` is the quality of the poorest tumor, and ``redrawn`` is the number of tumors that were drawn again.
    ``warnings`` begin with those of reading, and contain the text of the ``shortcomings``. ``truth`` has what is known
    about each lesion.
    """

    image: sitk.Image
    mask: sitk.Image
    boxes: tuple[Box, ...]
    provenance: Provenance
    quality: QualityScore
    redrawn: int
    warnings: tuple[str, ...]
    shortcomings: tuple[Shortcoming, ...]
    truth: tuple[dict[str, Any], ...]


class Scan:
    """The scan of a row, with everything that does not depend on the seed.

    Args:
        generator: generator of the tumors.
        row: the row.

    Raises:
        TumorGenError, OSError: the scan, box or region cannot be used.
    """

    def __init__(self, generator: TumorGenerator, row: ManifestRow) -> None:
        self.generator, self.row = generator, row
        self.read = read_row(row)
        self.volume = self.read.volume
        self.person = read_person(row.image)
        self.grid = Grid.from_image(self.volume.image)
        if row.box is not None:
            self.prepared = generator.prepare(self.volume, row.box)
        elif row.organ is None:
            suv = sitk.GetArrayViewFromImage(self.volume.image) * np.float32(self.volume.units.suv_factor)
            self.body = find_body(suv, self.grid.spacing_mm)

    def synthesize(self, seed: int, on_forewarnings: Callable[[tuple[str, ...]], None]) -> CohortCase:
        """Makes one result; the second tumor is inserted into the image that has the first.

        Args:
            seed: seed of the result.
            on_forewarnings: called before the first tumor grows, with the warnings of ``VariantRun.forewarnings``.

        Raises:
            TumorGenError: no tumor can be made with this seed.
        """
        boxes = self.boxes(seed)
        prepared = self.generator.prepare(self.volume, boxes[0]) if self.row.box is None else self.prepared
        run = VariantRun(
            self.generator,
            prepared,
            self.read.request,
            (seed,),
            more_boxes=boxes[1:],
            redraw_seeds=other_seeds(seed),
        )
        on_forewarnings(run.forewarnings)
        (variant,) = run
        return CohortCase(
            image=_in_suv(variant.image, self.volume.units.suv_factor),
            mask=variant.mask,
            boxes=boxes,
            provenance=variant.provenance,
            quality=variant.quality,
            redrawn=len(run.redrawn),
            warnings=(*variant.warnings, *([run.remark] if run.remark else [])),
            shortcomings=variant.shortcomings,
            truth=variant.truth,
        )

    def boxes(self, seed: int) -> tuple[Box, ...]:
        """Returns the boxes of the tumors of a result.

        Args:
            seed: seed of the result.

        Raises:
            InvalidBoxError: there is no room for them.
        """
        if self.row.box is not None:
            return (self.row.box,)
        # With the name, rows that all keep the default seed do not all get boxes of the same sizes.
        name = int.from_bytes(hashlib.sha256(self.row.name.encode()).digest()[:8], "big")
        rng = np.random.default_rng([seed, name])
        if self.row.organ is not None:
            organ = self.row.organ
            return tuple(organ.boxes(self.volume, self.row.request, rng, self.read.region, self.row.even_sizes))
        region = self.body if self.read.region is None else self.read.region
        law = WHOLE_BODY.even() if self.row.even_sizes else WHOLE_BODY
        return tuple(place_boxes(region, self.body, self.grid, rng, self.row.tumors, law))


def _in_suv(image: sitk.Image, factor: float) -> sitk.Image:
    if factor == 1:
        return image
    return sitk.Cast(sitk.Cast(image, sitk.sitkFloat64) * factor, sitk.sitkFloat32)
