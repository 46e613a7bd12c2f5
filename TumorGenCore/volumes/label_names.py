"""Names of the labels in a label map, and how a user's word finds them."""

from __future__ import annotations

import gzip
import re
import struct
from collections.abc import Iterable
from pathlib import Path

__all__ = ["TOTAL_SEGMENTATOR", "label_names_in_nifti", "matching_names"]

_SIDES = ("left", "right")
_LOBES = ("upper_lobe_left", "lower_lobe_left", "upper_lobe_right", "middle_lobe_right", "lower_lobe_right")
_SPINE = ("S1", *(f"{part}{n}" for part, last in (("L", 5), ("T", 12), ("C", 7)) for n in range(last, 0, -1)))


def _left_right(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}_{side}" for name in names for side in _SIDES)


#: Name of each label in the maps of TotalSegmentator 2, task "total": class_map["total"] in
#: https://github.com/wasserth/TotalSegmentator/blob/master/totalsegmentator/map_to_binary.py
TOTAL_SEGMENTATOR: dict[int, str] = dict(
    enumerate(
        (
            *("spleen", "kidney_right", "kidney_left", "gallbladder", "liver", "stomach", "pancreas"),
            *("adrenal_gland_right", "adrenal_gland_left"),
            *(f"lung_{lobe}" for lobe in _LOBES),
            *("esophagus", "trachea", "thyroid_gland", "small_bowel", "duodenum", "colon", "urinary_bladder"),
            *("prostate", "kidney_cyst_left", "kidney_cyst_right", "sacrum"),
            *(f"vertebrae_{bone}" for bone in _SPINE),
            *("heart", "aorta", "pulmonary_vein", "brachiocephalic_trunk"),
            *("subclavian_artery_right", "subclavian_artery_left"),
            *("common_carotid_artery_right", "common_carotid_artery_left"),
            *("brachiocephalic_vein_left", "brachiocephalic_vein_right", "atrial_appendage_left"),
            *("superior_vena_cava", "inferior_vena_cava", "portal_vein_and_splenic_vein"),
            *_left_right("iliac_artery", "iliac_vena", "humerus", "scapula", "clavicula", "femur", "hip"),
            "spinal_cord",
            *_left_right("gluteus_maximus", "gluteus_medius", "gluteus_minimus", "autochthon", "iliopsoas"),
            *("brain", "skull"),
            *(f"rib_{side}_{n}" for side in _SIDES for n in range(1, 13)),
            *("sternum", "costal_cartilages"),
        ),
        start=1,
    )
)

#: A name with one of these words is no part of the organ that it also names, unless the user says the word.
_NOT_THE_ORGAN = {"cyst", "tumor", "lesion", "nodule", "vessel", "effusion"}
#: Bytes of a NIfTI-1 header with the mark of its extensions; the voxels begin at the float at byte 108.
_HEADER_BYTES, _OFFSET_AT = 352, 108
_MAX_EXTENSION_BYTES = 1 << 20
_LABEL = re.compile(rb'<Label\s[^>]*?Key="(\d{1,9})"[^>]*>\s*<!\[CDATA\[([^\]]{1,200})\]\]>')


def matching_names(word: str, names: Iterable[str]) -> list[str]:
    """Returns the names that a word means: the same name, else each name that has all its words.

    So ``lung`` means all lobes, ``lung_left`` those on the left, and ``kidney`` both kidneys but no ``kidney_cyst``.
    Case, plural and the order of the words do not count; spaces and hyphens count as ``_``.

    Args:
        word: what the user wrote.
        names: names in the label map.
    """
    wanted = _words(word)
    all_words = {name: _words(name) for name in names}
    same = [name for name, words in all_words.items() if words == wanted]
    if same or not wanted - set(_SIDES):
        return same
    return [name for name, words in all_words.items() if wanted <= words and not (words - wanted) & _NOT_THE_ORGAN]


def _words(name: str) -> frozenset[str]:
    words = re.split(r"[\s_-]+", name.strip().casefold())
    return frozenset(word.removesuffix("s") if len(word) > 3 else word for word in words if word)


def label_names_in_nifti(path: Path) -> dict[int, str]:
    """Returns the label table that TotalSegmentator writes into the extension of a NIfTI-1 header; empty if none.

    Args:
        path: a NIfTI-1 file that was read without error.
    """
    with path.open("rb") as file, gzip.GzipFile(fileobj=file) if path.name.lower().endswith(".gz") else file as stream:
        header = stream.read(_HEADER_BYTES)
        order = "<" if header[:4] == struct.pack("<i", 348) else ">"
        (offset,) = struct.unpack_from(f"{order}f", header, _OFFSET_AT)
        extension = stream.read(max(0, min(int(offset) - _HEADER_BYTES, _MAX_EXTENSION_BYTES)))
    return {int(key): name.decode("utf-8", "replace") for key, name in _LABEL.findall(extension)}
