"""A short run of `make soak-insertions`, and proof that it finds what it looks for."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from any_place import random_place, what_failed
from canaries import PERSON, found_in, insert_quietly, private_series, watched_run
from memory_growth import MOST_GROWTH_MIB, growth
from soak_insertions import faults

from TumorGenCore import TumorGenerator
from TumorGenCore.insertion.tumor import Tumor


@pytest.fixture(scope="module")
def generator(tiny_bundle_folder: Path) -> TumorGenerator:
    return TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")


def test_random_volumes_and_boxes_hold(generator: TumorGenerator) -> None:
    results = [what_failed(generator, case) for case in range(16)]
    assert [wrong for wrong, _ in results if wrong] == []
    assert sum(changed for _, changed in results) >= 14


@pytest.mark.parametrize(
    ("part", "damage", "found"),
    [
        ("image", lambda image: image + 1, "a voxel outside the box changed"),
        ("image", lambda image: sitk.Cast(image, sitk.sitkFloat64), "the pixel type changed"),
        ("mask", lambda mask: mask + 1, "mask marks a voxel outside the box"),
        ("mask_probability", lambda soft: soft * float("nan"), "mask_probability is not finite"),
        ("mask", lambda mask: sitk.Flip(mask, [True, False, False]), "mask has another grid"),
    ],
)
def test_a_planted_fault_is_found(generator: TumorGenerator, monkeypatch, part, damage, found) -> None:
    case = next(n for n in range(99) if random_place(n)[0].GetPixelID() == sitk.sitkFloat32)
    made = getattr(Tumor, part)
    monkeypatch.setattr(Tumor, part, property(lambda tumor: damage(made.__get__(tumor))))
    assert found in what_failed(generator, case)[0]


def test_a_tumor_that_depends_on_the_order_of_the_axes_is_found(generator: TumorGenerator, monkeypatch) -> None:
    case = next(n for n in range(0, 99, 4) if random_place(n)[0].GetPixelID() == sitk.sitkFloat32)
    made = Tumor.image
    monkeypatch.setattr(Tumor, "image", property(lambda tumor: _with_direction(made.__get__(tumor))))
    assert "image differs if the axes have another order" in what_failed(generator, case)[0]


def _with_direction(image: sitk.Image) -> sitk.Image:
    return image + image.GetDirection()[0]


def test_an_exception_is_a_fault(generator: TumorGenerator, monkeypatch) -> None:
    monkeypatch.setattr(generator, "insert", lambda *_, **__: 1 / 0)
    assert what_failed(generator, 1)[0] == ["ZeroDivisionError: division by zero"]


@pytest.mark.slow
def test_no_identifier_gets_out_and_nothing_is_opened(tiny_bundle_folder: Path, tmp_path: Path) -> None:
    told = insert_quietly(tiny_bundle_folder, tmp_path, ("m.dcm", "refused.nrrd"))
    assert (told["runs"], told["files"]) == (2, 9)
    assert told["leaks"] == told["connections and pickles"] == []


def test_identifiers_are_found_in_headers_names_archives_and_pictures(tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    name = "CANARY-MRN-4711"
    (tmp_path / "a.json").write_text(f'{{"x": "{name}"}}')
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(b"0" * 400 + name.encode()))
    (tmp_path / "c.txt").write_text(name, encoding="utf-16")
    plt.imsave(tmp_path / "d.png", np.zeros((2, 2)), metadata={"Comment": name})
    (tmp_path / f"{name}.txt").write_text("")
    (tmp_path / "good.json").write_text('{"synthetic": true}')
    found = {path.name for path in tmp_path.iterdir() if found_in(path, [name])}
    assert found == {"a.json", "b.nii.gz", "c.txt", "d.png", f"{name}.txt"}
    series = private_series(tmp_path / "in")
    assert set(found_in(next(series.iterdir()), PERSON.values())) == set(PERSON.values())


def test_connections_and_pickles_are_found(tmp_path: Path) -> None:
    code = """
import pickle, socket, threading
pickle.loads(pickle.dumps(threading.Event().__class__))
try:
    socket.create_connection(("127.0.0.1", 9), timeout=1)
except OSError:
    pass
"""
    done, events = watched_run(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert {event.split()[1] for event in events} >= {"socket.connect", "pickle.find_class"}
    assert watched_run("print(1)", tmp_path)[1] == []


def test_a_leak_is_growth_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    flat = 800 + rng.normal(0, 3, 300)
    warm_up = np.concatenate([np.linspace(500, 800, 50), flat[50:]])
    assert abs(growth(flat)) < 3 and abs(growth(warm_up)) < 3
    leak = flat + 0.25 * np.arange(300)  # a quarter of the volume's size
    assert growth(leak) == pytest.approx(0.25 * 249, abs=3)
    assert growth(leak) > MOST_GROWTH_MIB


def test_every_part_of_the_result_can_fail() -> None:
    good = {
        "places": {"cases": 10, "with a change": 9, "faults": {}},
        "memory": {"growth, MiB": 1.0},
        "privacy": {"leaks": [], "connections and pickles": []},
    }
    assert faults(good) == []
    bad = {
        "places": {"cases": 10, "with a change": 5, "faults": {"3": ["a voxel outside the box changed"]}},
        "memory": {"growth, MiB": 75.0},
        "privacy": {"leaks": ["x in a.json"], "connections and pickles": ["WATCHED socket.connect"]},
    }
    assert len(faults(bad)) == 5
