"""``InsertTumord``: inserts tumors into the images of a training pipeline, on the fly and with random properties.

    LoadImaged -> EnsureChannelFirstd -> InsertTumord -> crops and other transforms

It takes dictionaries as all transforms of MONAI whose names end in d.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Hashable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform
from numpy.typing import NDArray

from TumorGenCore.bundle.folders import DEFAULT_BUNDLE
from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.insertion.in_organ import lesion_diameter_mm
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.told import box_seed
from TumorGenCore.lesions.quality import LEAST_QUALITY
from TumorGenCore.transforms.free_places import FreePlaces
from TumorGenCore.transforms.one_tumor import Attempt, no_place, try_tumor
from TumorGenCore.transforms.request_law import RequestLaw
from TumorGenCore.transforms.tensors import check_same_grid, volume_of, voxels_of, write_block
from TumorGenCore.transforms.worker_models import generator_of
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.volume import PetVolume

__all__ = ["InsertTumord"]

#: Largest seed that is drawn.
_MOST_SEED = 2**63 - 1


class InsertTumord(RandomizableTransform, MapTransform):  # type: ignore[misc]
    """Inserts synthetic tumors into an image, and marks them in its label.

    Image and label are tensors of one channel with an affine, as ``LoadImaged`` and ``EnsureChannelFirstd`` give them.
    The voxels must be a PET scan as it was read: insert tumors before resampling, cropping and scaling of values. No
    voxel outside the boxes of the tumors changes, and the tensors that come in are not changed.

    A tumor of poor quality is replaced by one with another seed, at most twice. If that one is poor too, or if there is
    no place, no tumor is inserted, and the note says why.

    The note is JSON, so that every ``DataLoader`` can put it into a batch. It is a list with an entry for each tumor:
    ``inserted``, ``synthetic``, ``statement``, ``seed``, ``box_ras_mm`` (center and size), ``quality``, ``request``,
    ``reason`` (why none was inserted).

    Every process loads the model once. Workers of a ``monai.data.DataLoader`` get seeds from it, so a run repeats. With
    PyTorch's own ``DataLoader``, all workers would draw the same tumors.

    Args:
        keys: keys of image and label.
        request: properties of every tumor; without ``least_quality``, the quality must reach the gate.
        ranges: lowest and highest value of more properties, such as ``{"suv_max": (4, 15), "diameter_mm": (10, 40)}``.
        tumors: number of tumors for an image, or least and largest number.
        prob: probability that an image gets tumors.
        suv_factor: factor from voxel values to SUV, or the key that has it; None takes the values as SUV.
        region_key: key of a mask on the grid of the image; the centers of the boxes lie where it is above 0. None
            places tumors in the body.
        label_value: value of a tumor in the label.
        avoid: values of the label that boxes keep away from; None keeps away from all but 0.
        note_key: key of the note, which is added.
        model: name of an installed bundle, or its folder.
        device: device of the networks; in workers use ``cpu``, or workers that are spawned.

    Raises:
        InvalidRequestError: an argument cannot be used.

    Example:
        >>> insert = InsertTumord(("image", "label"), ranges={"suv_max": (4, 15)}, tumors=(1, 3), suv_factor=1)
        >>> case = Compose([LoadImaged(("image", "label")), EnsureChannelFirstd(("image", "label")), insert])(paths)
    """

    def __init__(
        self,
        keys: KeysCollection = ("image", "label"),
        *,
        request: TumorRequest | None = None,
        ranges: Mapping[str, tuple[float, float]] | None = None,
        tumors: int | tuple[int, int] = 1,
        prob: float = 1.0,
        suv_factor: float | str | None = None,
        region_key: Hashable | None = None,
        label_value: int = 1,
        avoid: Collection[int] | None = None,
        note_key: str = "tumorgen",
        model: str | Path = DEFAULT_BUNDLE,
        device: str = "cpu",
    ) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, prob)
        if len(self.keys) != 2:
            raise InvalidRequestError(f"The keys are {self.keys}; give two, those of image and label.")
        if not 0 <= prob <= 1:
            raise InvalidRequestError(f"prob is {prob}; give a number from 0 to 1.")
        if not label_value:
            raise InvalidRequestError("label_value is 0, which marks no tumor; give another value.")
        self.least, self.most = _numbers(tumors)
        request = (request or TumorRequest()).or_else(TumorRequest(least_quality=LEAST_QUALITY))
        self.law = RequestLaw(request, dict(ranges or {}))
        self.suv_factor, self.region_key, self.note_key = suv_factor, region_key, note_key
        self.label_value, self.avoid = label_value, None if avoid is None else tuple(avoid)
        self.model, self.device = str(model), device
        self._seed = 0

    def randomize(self, data: Any = None) -> None:
        """Draws whether there are tumors, and the seed that decides all else about them."""
        super().randomize(data)
        self._seed = int(self.R.randint(0, _MOST_SEED, dtype=np.int64))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Returns the dictionary with image and label of the tumors, and the note.

        Raises:
            KeyError: image, label, region or factor is missing.
            UnsupportedVolumeError: image, label or region cannot be used.
            InvalidRequestError: the model or the factor cannot be used.
            ModelBundleError: there is no such model, or it is damaged.
        """
        result = dict(data)
        self.randomize()
        notes = json.loads(result.get(self.note_key, "[]"))
        if self._do_transform:
            notes += self._insert(result)
        result[self.note_key] = json.dumps(notes)
        return result

    def _insert(self, data: dict[Hashable, Any]) -> list[dict[str, Any]]:
        """Inserts the tumors into copies of image and label, puts these into ``data``, and returns the notes."""
        image_key, label_key = self.keys
        volume = volume_of(data[image_key], str(image_key), self._factor(data))
        grid = Grid.from_image(volume.image)
        check_same_grid(data[label_key], str(label_key), grid, str(image_key))
        region = None if self.region_key is None else self._region(data[self.region_key], grid)
        places = FreePlaces(
            voxels_of(data[image_key]), volume.units.suv_factor, grid, self._taken(data[label_key]), region
        )
        attempts = self._attempts(volume, places)
        tumors = [attempt.tumor for attempt in attempts if attempt.tumor is not None]
        if tumors:
            data[image_key], data[label_key] = (deepcopy(data[key]) for key in self.keys)
        for tumor in tumors:
            pasted = tumor.pasted
            write_block(data[image_key], pasted.voxels, pasted.start_ijk)
            values = np.full(pasted.tumor.shape, self.label_value)
            write_block(data[label_key], values, pasted.start_ijk, pasted.tumor > 0)
        return [attempt.note for attempt in attempts]

    def _attempts(self, volume: PetVolume, places: FreePlaces) -> list[Attempt]:
        """Grows the tumors one after the other, each in the volume that has those before it."""
        generator = generator_of(self.model, self.device)
        rng = np.random.default_rng(self._seed)
        attempts: list[Attempt] = []
        for n in range(int(rng.integers(self.least, self.most + 1))):
            request, seed = self.law.draw(rng), box_seed(self._seed, n)
            box = places.find(lesion_diameter_mm(request), rng)
            attempt = no_place(request, seed) if box is None else try_tumor(generator, volume, box, request, seed)
            attempts.append(attempt)
            if attempt.tumor is not None and n + 1 < self.most:
                volume = PetVolume(attempt.tumor.image, volume.units)
        return attempts

    def _factor(self, data: Mapping[Hashable, Any]) -> float | None:
        value = data[self.suv_factor] if isinstance(self.suv_factor, str) else self.suv_factor
        try:
            return None if value is None else float(value)
        except (TypeError, ValueError) as error:
            raise InvalidRequestError(f"The SUV factor {self.suv_factor!r} is no number: {error}.") from error

    def _taken(self, label: Any) -> NDArray[np.bool_]:
        values = voxels_of(label)
        taken: NDArray[np.bool_] = values != 0 if self.avoid is None else np.isin(values, self.avoid)
        return taken

    def _region(self, region: Any, grid: Grid) -> NDArray[np.bool_]:
        check_same_grid(region, str(self.region_key), grid, str(self.keys[0]))
        inside: NDArray[np.bool_] = voxels_of(region) > 0
        return inside


def _numbers(tumors: int | tuple[int, int]) -> tuple[int, int]:
    """Returns the least and the largest number of tumors."""
    least, most = (tumors, tumors) if isinstance(tumors, int) else tumors
    if not 0 <= least <= most:
        raise InvalidRequestError(f"tumors is {tumors}; give a number, or the least and the largest number.")
    return least, most
