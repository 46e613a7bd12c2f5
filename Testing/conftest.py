"""Fixtures for all tests."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real PET scans, which are not part of the repository."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TUMORGEN_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"The folder {folder} with real PET scans is missing. Set TUMORGEN_DATA to their folder.")
    return folder


@pytest.fixture
def interrupts_raise() -> Iterator[None]:
    """Makes Ctrl+C raise KeyboardInterrupt, even if the tests run in the background, where processes ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def lose_interrupt(interrupts_raise: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Presses Ctrl+C while Python cleans up an object; there it prints the exception and goes on."""
    lost: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda ignored: lost.append(ignored.exc_type))

    class Interrupted:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    def press() -> None:
        lost.clear()
        Interrupted()
        assert lost == [KeyboardInterrupt]

    return press


@pytest.fixture
def at_rename() -> Iterator[list[Callable[[], object]]]:
    """Functions to run at the next moves of files, one at each move, before the file is moved."""
    todo: list[Callable[[], object]] = []

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "os.rename" and todo:
            todo.pop(0)()

    sys.addaudithook(hook)  # Python cannot remove a hook again.
    yield todo
    todo.clear()


@pytest.fixture(scope="session")
def onednn_bfloat16() -> None:
    """Skips the test if oneDNN cannot pack weights in bfloat16; it needs AVX-512 or AVX-NE-CONVERT."""
    import torch

    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("oneDNN has no bfloat16 on this processor")


@pytest.fixture(scope="session")
def tiny_bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model bundle with small untrained networks, which change every voxel that they may change."""
    # Imported here, because torch takes seconds to load and most tests do not need it.
    import torch

    from TumorGenCore.bundle.model_bundle import ModelBundle, save_bundle
    from TumorGenCore.method.intensity import NetworkScale
    from TumorGenCore.method.mask_refiner import MaskRefiner
    from TumorGenCore.method.vae import PetVAE
    from TumorGenCore.method.vector_field import VectorField
    from TumorGenCore.volumes.patch import PatchSettings

    torch.manual_seed(0)
    vae = PetVAE(channels=[8, 16], num_res_blocks=[1, 1], norm_num_groups=4)
    feature_channels, feature_scales = vae.feature_layout()
    arguments: dict[str, dict[str, Any]] = {
        "vae": {"channels": [8, 16], "num_res_blocks": [1, 1], "norm_num_groups": 4},
        "vector_field": {"channels": [8, 16, 16], "num_head_channels": 8},
        "mask_refiner": {"feature_channels": feature_channels, "feature_scales": feature_scales, "channels": 8},
    }
    networks = (vae, VectorField(**arguments["vector_field"]), MaskRefiner(**arguments["mask_refiner"]))
    with torch.no_grad():
        for network in networks:
            for parameter in network.parameters():  # MONAI starts some layers at zero; here each has an effect.
                parameter.add_(0.1 * torch.randn_like(parameter))
    folder = tmp_path_factory.mktemp("models") / "tiny"
    bundle = ModelBundle(
        name=folder.name,
        version="0.1",
        vae=networks[0],
        vector_field=networks[1],
        mask_refiner=networks[2],
        network_arguments=arguments,
        scale=NetworkScale(),
        patch=PatchSettings(spacing_mm=5.0, context_mm=5.0, min_box_mm=10.0, max_box_mm=300.0),
        latent_mean=[0.1, -0.2, 0.3, 0.0],
        latent_deviation=[0.5, 1.0, 2.0, 1.5],
        notes={"description": "untrained, for tests"},
    )
    save_bundle(bundle, folder, card="# tiny\n")
    return folder
