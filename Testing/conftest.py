"""Fixtures for all tests."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Gives the tests of a file to one process, as ``--dist loadfile`` does, but each guide to the next free one."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return nodeid if "test_guides.py" in nodeid else super()._split_scope(nodeid)

    return Scheduling(config, log)


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
    """A model bundle with small untrained networks, see ``tiny_bundle``."""
    # Imported here, because torch takes seconds to load and most tests do not need it.
    from tiny_bundle import write_tiny_bundle

    return write_tiny_bundle(tmp_path_factory.mktemp("models") / "tiny")
