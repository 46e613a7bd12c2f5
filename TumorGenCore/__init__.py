"""TumorGen: makes synthetic PET tumors and their masks from a rough box.

A name is imported when it is first used, so ``import TumorGenCore`` is quick and does not load torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from TumorGenCore.dicom_study.study import write_dicom_study
    from TumorGenCore.errors import (
        CancelledError,
        InvalidBoxError,
        InvalidRequestError,
        ModelBundleError,
        TumorGenError,
        UnsupportedVolumeError,
    )
    from TumorGenCore.insertion.generator import TumorGenerator
    from TumorGenCore.insertion.request import TumorRequest
    from TumorGenCore.insertion.truth_table import truth_table, write_truth_table
    from TumorGenCore.insertion.tumor import Tumor
    from TumorGenCore.insertion.variants import Variant, VariantRun, best_first
    from TumorGenCore.lesions.organ_places import boxes_in_organ
    from TumorGenCore.phantom.phantom import make_phantom
    from TumorGenCore.transforms.insert_tumord import InsertTumord
    from TumorGenCore.volumes.geometry import Box
    from TumorGenCore.volumes.label_map import read_label_map
    from TumorGenCore.volumes.markups import read_box
    from TumorGenCore.volumes.person import read_person
    from TumorGenCore.volumes.read import read_volume
    from TumorGenCore.volumes.write import write_segmentation, write_volume

__version__ = "0.6.0"

#: Module that defines each public name.
HOMES = {
    "Box": "volumes.geometry",
    "CancelledError": "errors",
    "InsertTumord": "transforms.insert_tumord",
    "InvalidBoxError": "errors",
    "InvalidRequestError": "errors",
    "ModelBundleError": "errors",
    "Tumor": "insertion.tumor",
    "TumorGenError": "errors",
    "TumorGenerator": "insertion.generator",
    "TumorRequest": "insertion.request",
    "UnsupportedVolumeError": "errors",
    "Variant": "insertion.variants",
    "VariantRun": "insertion.variants",
    "best_first": "insertion.variants",
    "boxes_in_organ": "lesions.organ_places",
    "make_phantom": "phantom.phantom",
    "read_box": "volumes.markups",
    "read_label_map": "volumes.label_map",
    "read_person": "volumes.person",
    "read_volume": "volumes.read",
    "truth_table": "insertion.truth_table",
    "write_dicom_study": "dicom_study.study",
    "write_segmentation": "volumes.write",
    "write_truth_table": "insertion.truth_table",
    "write_volume": "volumes.write",
}

__all__ = [
    "Box",
    "CancelledError",
    "InsertTumord",
    "InvalidBoxError",
    "InvalidRequestError",
    "ModelBundleError",
    "Tumor",
    "TumorGenError",
    "TumorGenerator",
    "TumorRequest",
    "UnsupportedVolumeError",
    "Variant",
    "VariantRun",
    "best_first",
    "boxes_in_organ",
    "make_phantom",
    "read_box",
    "read_label_map",
    "read_person",
    "read_volume",
    "truth_table",
    "write_dicom_study",
    "write_segmentation",
    "write_truth_table",
    "write_volume",
]


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
