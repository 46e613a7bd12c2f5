"""Label maps of organs: names, groups, other grids, and what is refused."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore.errors import InvalidRequestError, UnsupportedVolumeError
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.label_map import read_label_map
from TumorGenCore.volumes.label_names import TOTAL_SEGMENTATOR, matching_names

GRID = Grid((12, 10, 8), (4.0, 4.0, 5.0), (-20.0, 10.0, 30.0))
SCAN = GRID.empty_image()
LIVER, LOBE, OTHER_LOBE = 5, 10, 14


def labels() -> np.ndarray:
    voxels = np.zeros(GRID.size_ijk[::-1], np.uint8)
    voxels[2:6, 3:8, 1:5] = LIVER
    voxels[2:6, 3:8, 6:8] = LOBE
    voxels[2:6, 3:8, 9:11] = OTHER_LOBE
    voxels[7, 9, 11] = 200
    return voxels


def written(path, voxels, grid=GRID):
    sitk.WriteImage(grid.image_from_array(voxels), str(path), useCompression=True)
    return path


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_plain_maps_have_the_names_of_total_segmentator(tmp_path, suffix):
    organs = read_label_map(written(tmp_path / f"map{suffix}", labels()), SCAN)
    assert organs.names == {"liver": 5, "lung_upper_lobe_left": 10, "lung_lower_lobe_right": 14, "200": 200}
    for label, numbers in (("liver", [5]), ("Liver", [5]), (5, [5]), ("5", [5]), ("lung", [10, 14]), ("200", [200])):
        assert np.array_equal(organs.mask(label), np.isin(labels(), numbers)), label


def test_table_has_the_117_names_of_the_task():
    assert len(set(TOTAL_SEGMENTATOR.values())) == 117
    known = {15: "esophagus", 26: "vertebrae_S1", 50: "vertebrae_C1", 51: "heart", 69: "humerus_left", 90: "brain"}
    known |= {103: "rib_left_12", 115: "rib_right_12", 117: "costal_cartilages", 14: "lung_lower_lobe_right"}
    assert {number: TOTAL_SEGMENTATOR[number] for number in known} == known


def test_words_find_organs_without_their_sides_but_no_cysts():
    names = list(TOTAL_SEGMENTATOR.values())
    assert matching_names("kidney", names) == ["kidney_right", "kidney_left"]
    assert matching_names("Right Kidney", names) == ["kidney_right"]
    assert matching_names("lungs", names) == [name for name in names if name.startswith("lung")]
    assert len(matching_names("lung_left", names)) == 2 and len(matching_names("rib-right", names)) == 12
    assert matching_names("vertebrae L5", names) == ["vertebrae_L5"]
    assert matching_names("left", names) == [] and matching_names("", names) == []


def test_other_grid_is_resampled_to_the_scan_by_the_nearest_voxel(tmp_path):
    fine = np.repeat(labels(), 2, axis=2)
    halved = Grid((24, 10, 8), (2.0, 4.0, 5.0), (-21.0, 10.0, 30.0))
    assert np.array_equal(
        read_label_map(written(tmp_path / "map.nii.gz", fine, halved), SCAN).mask("liver"), labels() == LIVER
    )


def test_names_in_the_file_count(tmp_path):
    path = written(tmp_path / "map.nii.gz", labels())
    image = nibabel.load(path)
    table = "".join(
        f'<Label Key="{n}" Red="1.0" Green="0.0" Blue="0.0" Alpha="1"><![CDATA[{name}]]></Label>\n'
        for n, name in ((5, "prostate"), (10, "heart"), (77, "absent"))
    )
    xml = f"<CaretExtension><VolumeInformation><LabelTable>{table}</LabelTable></VolumeInformation></CaretExtension>"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(0, xml.encode()))
    nibabel.save(image, path)
    assert read_label_map(path, SCAN).names == {"prostate": 5, "heart": 10, "14": 14, "200": 200}


def test_segments_of_slicer_have_their_names_and_may_overlap(tmp_path):
    first, second = (labels() == LIVER).astype(np.uint8), (labels() > 0).astype(np.uint8)
    image = sitk.JoinSeries([GRID.image_from_array(first), GRID.image_from_array(second)])
    header = [
        *("NRRD0005", "type: uint8", "dimension: 4", "space: left-posterior-superior", "sizes: 2 12 10 8"),
        *("space directions: none (4,0,0) (0,4,0) (0,0,5)", "kinds: list domain domain domain", "encoding: raw"),
        *("space origin: (-20,10,30)", "Segmentation_MasterRepresentation:=Binary labelmap"),
        *("Segment0_Name:=Liver: right", "Segment0_Layer:=0", "Segment0_LabelValue:=1"),
        *("Segment1_Name:=whole body", "Segment1_Layer:=1", "Segment1_LabelValue:=1"),
    ]
    path = tmp_path / "map.seg.nrrd"
    voxels = np.moveaxis(sitk.GetArrayFromImage(image), 0, -1)
    path.write_bytes("\n".join(header).encode() + b"\n\n" + voxels.tobytes())
    organs = read_label_map(path, SCAN)
    assert list(organs.names) == ["Liver: right", "whole body"]
    assert np.array_equal(organs.mask("Liver: right"), first > 0)
    assert np.array_equal(organs.mask("Whole_Body"), second > 0)


def test_folder_of_masks_is_read_by_name(tmp_path):
    folder = tmp_path / "segmentations"
    folder.mkdir()
    for name, voxels in (("liver", labels() == LIVER), ("lesion_box", labels() == 200), ("spleen", labels() == 99)):
        written(folder / f"{name}.nii.gz", voxels.astype(np.uint8))
    (folder / "statistics.json").write_text("{}")
    organs = read_label_map(folder, SCAN)
    assert organs.names == {"liver": 5, "spleen": 1, "lesion_box": 118}
    assert np.array_equal(organs.mask("liver"), labels() == LIVER) and organs.mask(118).sum() == 1
    with pytest.raises(InvalidRequestError, match=r"'spleen' of segmentations has no voxel"):
        organs.mask("spleen")


def test_unknown_labels_name_similar_and_present_ones(tmp_path):
    organs = read_label_map(written(tmp_path / "map.nrrd", labels()), SCAN)
    with pytest.raises(InvalidRequestError, match=r"no label 'livre'. Did you mean liver\? .*lung_upper_lobe_left"):
        organs.mask("livre")
    with pytest.raises(InvalidRequestError, match="no label '7'"):
        organs.mask(7)


def test_maps_that_do_not_fit_are_refused(tmp_path):
    away = Grid(GRID.size_ijk, GRID.spacing_mm, (900.0, 0.0, 0.0))
    for words, voxels, grid in (
        ("does not lie on the scan", labels(), away),
        ("no label map: its values go from 0 to 2.5", labels() / np.float32(80), GRID),
        ("no label map: its values go from -1", labels().astype(np.int16) - 1, GRID),
        ("all its voxels are 0", labels() * 0, GRID),
    ):
        with pytest.raises(UnsupportedVolumeError, match=words):
            read_label_map(written(tmp_path / "map.nrrd", voxels, grid), SCAN)
    with pytest.raises(UnsupportedVolumeError, match="no file or folder"):
        read_label_map(tmp_path / "nothing.nii.gz", SCAN)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnsupportedVolumeError, match="holds no mask"):
        read_label_map(tmp_path / "empty", SCAN)
