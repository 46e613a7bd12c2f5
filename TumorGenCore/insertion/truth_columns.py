"""The columns of the truth table: names with units, and definitions. This module imports neither numpy nor torch."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["COLUMNS", "TEXTS"]


def _of_axes(name: str, axes: str, definition: str) -> Iterator[tuple[str, str]]:
    for axis in axes:
        yield f"{name}_{axis}", definition


#: Definition of each column by its name, in order; units stand at the end of the names, and SUV is by body weight.
COLUMNS: dict[str, str] = dict(
    [
        ("patient", "name of the case in a cohort, else synthetic-XXXXXXXX from the hash of the scan's voxels"),
        ("simulation", "the synthetic volume, by its seed"),
        ("lesion", "number of the lesion in its volume, in the order of insertion"),
        ("image", "file name of the synthetic volume"),
        ("seed", "seed of the lesion"),
        *_of_axes("center_voxel", "ijk", "center of the mask, in voxels; 0 is the center of the first voxel"),
        *_of_axes("center_lps_mm", "xyz", "center of the mask, LPS as in DICOM"),
        *_of_axes("suv_max_voxel", "ijk", "the hottest voxel of the mask"),
        *_of_axes("suv_max_lps_mm", "xyz", "center of the hottest voxel, LPS"),
        ("intensity_mode", "what the user asked for about the uptake: a field of TumorRequest, or drawn"),
        ("intensity_value", "the value that the user asked for, in the unit of its field"),
        ("intensity_reached", "the same value, measured"),
        ("target_suv", "the SUV that this means here"),
        ("target_measure", "which SUV: max, mean or peak"),
        ("target_activity_bq_per_ml", "target_suv as activity"),
        ("reference", "name of the reference region, if the user asked for a ratio to one"),
        ("reference_suv", "mean SUV of the reference region"),
        ("reference_activity_bq_per_ml", "reference_suv as activity"),
        ("box_tissue_suv", "median SUV of the tissue around the box before insertion, to which to_background refers"),
        ("size_mode", "what the user asked for about the size: a field of TumorRequest, or drawn"),
        ("size_value", "the value that the user asked for, in the unit of its field"),
        ("size_reached", "the same value, measured"),
        ("target_volume_ml", "the volume that this means here"),
        ("told_fill", "share of the box that the model was told before it sampled"),
        ("told_p95_suv", "95th percentile of the uptake that the model was told, SUV"),
        ("uptake_gain", "factor of the uptake that the grown lesion adds"),
        ("volume_ml", "volume of the mask"),
        ("voxels", "number of voxels of the mask"),
        ("fill", "volume of the mask over that of the box"),
        ("equivalent_diameter_mm", "diameter of a ball with the mask's volume"),
        ("axis_long_mm", "longest axis of the ellipsoid with the mask's moments, 4 standard deviations (IBSI)"),
        ("axis_middle_mm", "its middle axis"),
        ("axis_short_mm", "its shortest axis"),
        ("solidity", "volume of the mask over that of its convex hull"),
        ("mask_kind", "metabolic, or reader for a mask as a reader might draw it"),
        ("suv_max", "SUV of the hottest voxel of the mask"),
        ("suv_mean", "mean SUV in the mask"),
        ("suv_peak", "highest mean over a 1 ml sphere that is centered on a voxel of the mask (PERCIST)"),
        ("suv_sd", "standard deviation of the SUV over the voxels of the mask"),
        ("suv_min", "lowest SUV in the mask"),
        ("mtv_ml", "volume of the mask's voxels at or above 41 % of suv_max (EANM 2.0)"),
        ("tlg_g", "total lesion glycolysis: mtv_ml times its mean SUV"),
        ("total_suv_ml", "suv_mean times volume_ml"),
        ("activity_max_bq_per_ml", "suv_max as activity"),
        ("activity_mean_bq_per_ml", "suv_mean as activity"),
        ("total_activity_bq", "activity in the mask"),
        ("lesion_to_background", "suv_mean over background_suv_mean"),
        ("background_suv_mean", "mean SUV in the shell from 5 to 15 mm outside the mask, without other lesions"),
        ("background_suv_sd", "standard deviation of the SUV over the voxels of the shell"),
        ("background_suv_min", "lowest SUV in the shell"),
        ("background_suv_max", "highest SUV in the shell"),
        ("background_voxels", "number of voxels of the shell"),
        ("background_activity_bq_per_ml", "background_suv_mean as activity"),
        ("baseline_suv_mean", "mean SUV in the mask's voxels before insertion"),
        ("baseline_background_suv_mean", "mean SUV in the shell before insertion"),
        ("lesion_to_baseline", "suv_mean over baseline_suv_mean"),
        ("age_years", "age from the DICOM header; empty above 89"),
        ("sex", "F, M or O, from the DICOM header"),
        ("height_m", "height from the DICOM header"),
        ("weight_kg", "body weight from the DICOM header"),
        ("injected_activity_mbq", "activity at the time of injection, from the DICOM header"),
        ("scan_units", "units of the scan's voxels: SUV, BQML, CNTS or unknown"),
        ("suv_per_scan_unit", "SUV per unit of voxel value"),
        *_of_axes("voxel_size_mm", "ijk", "distance of voxel centers"),
        *_of_axes("box_center_lps_mm", "xyz", "center of the box, LPS"),
        *_of_axes("box_size_mm", "123", "edge of the box along its own axis"),
        ("box_axes", "axes of the box: the columns of a 3x3 matrix, which stands here row by row, LPS"),
        ("quality", "quality of the lesion, 0 to 1"),
        ("quality_passes", "whether the quality reaches the gate"),
        ("bundle", "name of the model bundle"),
        ("bundle_version", "its version"),
        ("software_version", "version of TumorGen"),
        # Texts with commas come last, because they would shift the columns of simple tools.
        ("statement", "that the lesion is synthetic"),
        ("warnings", "warnings about scan, box and lesion"),
        ("request", "everything that was asked for, as JSON, with the sampling settings"),
    ]
)
#: Columns that are texts; the others are numbers, or 0 and 1.
TEXTS = frozenset(
    {
        *("statement", "patient", "simulation", "image", "seed", "intensity_mode", "target_measure", "reference"),
        *("size_mode", "request", "mask_kind", "sex", "scan_units", "box_axes", "warnings"),
        *("bundle", "bundle_version", "software_version"),
    }
)
