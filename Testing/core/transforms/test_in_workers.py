"""`InsertTumord` in the workers of a real `DataLoader`: the run repeats, and each worker loads the model once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk
import torch
from monai.data import DataLoader, Dataset
from monai.transforms import Compose, DeleteItemsd, EnsureChannelFirstd, LoadImaged

from TumorGenCore import InsertTumord, TumorGenerator
from TumorGenCore.transforms.worker_models import _loaded

Make = Callable[..., InsertTumord]


def loader(scans: dict, insert: InsertTumord, seed: int, **options: Any) -> DataLoader:
    keys = ("image", "label")
    transform = Compose([LoadImaged(keys), EnsureChannelFirstd(keys), insert, DeleteItemsd("foreground_start_coord")])
    paths = [scans[name] for name in ("straight", "oblique", "flipped", "straight")]
    return DataLoader(Dataset(paths, transform), batch_size=1, generator=torch.Generator().manual_seed(seed), **options)


def test_two_workers_repeat_a_run_and_draw_different_tumors(scans: dict, loaded: dict, insert: Make) -> None:
    insert()(loaded["straight"])  # so the workers share this process's networks
    first = list(loader(scans, insert(tumors=(0, 2)), 1, num_workers=2))
    again = list(loader(scans, insert(tumors=(0, 2)), 1, num_workers=2))
    other = list(loader(scans, insert(tumors=(0, 2)), 2, num_workers=2))
    assert [batch["tumorgen"] for batch in first] == [batch["tumorgen"] for batch in again]
    assert [batch["tumorgen"] for batch in first] != [batch["tumorgen"] for batch in other]
    for one, same in zip(first, again, strict=True):
        assert torch.equal(one["image"].as_tensor(), same["image"].as_tensor())
        assert torch.equal(one["label"].as_tensor(), same["label"].as_tensor())
    seeds = [note["seed"] for batch in first + other for text in batch["tumorgen"] for note in json.loads(text)]
    assert len(seeds) > 4 and len(set(seeds)) == len(seeds)


def test_cases_with_unequal_numbers_of_tumors_make_a_batch(loaded: dict, insert: Make) -> None:
    batch = next(
        iter(DataLoader(Dataset([loaded["straight"]] * 3, insert(tumors=(0, 2)).set_random_state(0)), batch_size=3))
    )
    assert batch["image"].shape[:2] == (3, 1)
    assert len({len(json.loads(text)) for text in batch["tumorgen"]}) > 1


def test_a_worker_loads_the_model_once_and_uses_one_thread(
    loaded: dict, insert: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = TumorGenerator.from_pretrained.__func__  # type: ignore[attr-defined]

    def counted(cls: type[TumorGenerator], *arguments: Any) -> TumorGenerator:
        with (tmp_path / "loads").open("a") as file:
            file.write(f"{torch.utils.data.get_worker_info().id} {torch.get_num_threads()}\n")
        made: TumorGenerator = load(cls, *arguments)
        return made

    class Threads(InsertTumord):
        def __call__(self, data: Any) -> Any:
            return {**super().__call__(data), "threads": sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()}

    monkeypatch.setattr(TumorGenerator, "from_pretrained", classmethod(counted))
    _loaded.cache_clear()
    transform = insert()
    transform.__class__ = Threads
    sitk.Median(sitk.Image([20, 20, 20], sitk.sitkFloat32))  # ITK's threads exist before the fork
    batches = list(
        DataLoader(
            Dataset([loaded["straight"]] * 6, transform), batch_size=1, num_workers=2, multiprocessing_context="fork"
        )
    )
    assert (tmp_path / "loads").read_text().splitlines() in (["0 1", "1 1"], ["1 1", "0 1"])
    assert [int(batch["threads"]) for batch in batches] == [1] * 6


@pytest.mark.slow
def test_a_spawned_worker_makes_the_same_as_a_forked_one(scans: dict, insert: Make) -> None:
    made = [
        next(iter(loader(scans, insert(), 3, num_workers=1, multiprocessing_context=way))) for way in ("fork", "spawn")
    ]
    assert made[0]["tumorgen"] == made[1]["tumorgen"]
    assert torch.equal(made[0]["image"].as_tensor(), made[1]["image"].as_tensor())
