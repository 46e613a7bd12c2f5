"""Tumors in known organs of bodies from label maps."""

import shutil

import pytest

from TumorGenCore import TumorGenerator
from TumorGenCore.bundle.model_bundle import load_bundle
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation.themes.organs import measure_organs, organ_lines
from TumorGenCore.phantom.organ_sites import SITE_ORGANS


@pytest.mark.slow
def test_each_organ_gets_a_tumor_that_is_judged(shared_data, tiny_bundle_folder, tmp_path):
    label_map = shared_data / "anatomy" / "VH_F_labels_3mm.npz"
    if not label_map.is_file():
        pytest.skip(f"The label map {label_map} is missing.")
    shutil.copy(label_map, tmp_path)
    told = []
    found, panels = measure_organs(
        TumorGenerator(load_bundle(tiny_bundle_folder), device="cpu"), tmp_path, tell=told.append
    )
    sites = found["sites"]
    assert {site["organ"] for site in sites.values()} == set(SITE_ORGANS)
    assert len(sites) == len(told) == len(SITE_ORGANS) + 1 and len(panels) == 2 * len(sites)
    for site in sites.values():
        assert not (site["nothing"] and site["passes"])
    text = "\n".join(organ_lines(found))
    poor = [name for name, site in sites.items() if not site["passes"]]
    assert f"| all | {len(sites)} |" in text and all(f"- {name}:" in text for name in poor)


def test_a_folder_without_label_maps_is_named(tiny_bundle_folder, tmp_path):
    generator = TumorGenerator(load_bundle(tiny_bundle_folder), device="cpu")
    with pytest.raises(TrainingDataError, match="holds no label map"):
        measure_organs(generator, tmp_path)
