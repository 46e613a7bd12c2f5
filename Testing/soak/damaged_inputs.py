"""Makes the damaged inputs. Each can be made again from its name."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from dicom_mutations import change_dicom
from good_inputs import Files, good_inputs
from header_mutations import META_DECISIVE, META_VALUES, NRRD_DECISIVE, NRRD_VALUES, header_way
from json_mutations import json_way
from manifest_mutations import change_manifest
from mutations import Change, pick
from nifti_mutations import change_nifti, change_nifti_gz
from weights_mutations import change_weights

__all__ = ["Input", "make_input"]


@dataclass(frozen=True)
class Input:
    """A damaged input.

    Args:
        name: kind and number, from which ``make_input`` makes it again.
        kind: see ``good_inputs.SHARES``.
        files: content of each file.
        main: the file or folder that is read.
        how: what was changed.
        corrupt: why nobody can take it for good; empty if a reader may.
    """

    name: str
    kind: str
    files: Files
    main: str
    how: str
    corrupt: str


def make_input(name: str) -> Input:
    """Makes the input of a name such as ``nrrd/17``."""
    kind, number = name.split("/")
    rng = np.random.default_rng([zlib.crc32(kind.encode()), int(number)])
    files = dict(pick(rng, good_inputs(kind)))
    first = next(iter(files))
    count = int(rng.choice([1, 1, 1, 1, 2, 3]))
    said: list[str] = []
    corrupt = ""
    for _ in range(count):
        files, change = _WAYS[kind](rng, files)
        said.append(change.how)
        corrupt = change.corrupt
    main = first.split("/", maxsplit=1)[0]
    return Input(name, kind, files, main, "; ".join(said), corrupt if count == 1 else "")


def _mask(rng: np.random.Generator, files: Files) -> tuple[Files, Change]:
    (name,) = files
    if name.endswith(".gz"):
        return change_nifti_gz(rng, files)
    return _WAYS["metaimage" if name.endswith(".mha") else "nrrd"](rng, files)


_WAYS: dict[str, Callable[[np.random.Generator, Files], tuple[Files, Change]]] = {
    "nifti": change_nifti,
    "nifti-gz": change_nifti_gz,
    "nrrd": header_way(NRRD_DECISIVE, NRRD_VALUES),
    "mask": _mask,
    "metaimage": header_way(META_DECISIVE, META_VALUES),
    "dicom": change_dicom,
    "roi": json_way("roi"),
    "manifest": change_manifest,
    "metadata": json_way("metadata"),
    "weights": change_weights,
    "provenance": json_way("provenance"),
}
