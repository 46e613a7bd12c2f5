"""Slicer's own tools install packages once, on the main thread, and never replace packages of Slicer."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
import types

import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

import slicer

from TumorGenSlicerLib.run import dependencies
from TumorGenSlicerLib.run.dependencies import REQUIREMENTS, DependencyError, ensureDependencies, missingPackages


@pytest.fixture
def world(monkeypatch):
    """Slicer with its packaging module and the PyTorch extension; Python finds the packages in ``installed``."""
    world = types.SimpleNamespace(installed=set(), calls=[], declines=False, works=True)
    find = importlib.util.find_spec

    def findSpec(name, *rest):
        if name in ("torch", "monai", "safetensors", "einops"):
            return find("json") if name in world.installed else None
        return find(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", findSpec)

    def pipEnsure(requirements, constraints=None, prompt_install=True, requester=None):
        kept = constraints.read_text()
        world.calls.append(("pip", list(requirements), prompt_install, requester, kept))
        if world.declines:
            raise RuntimeError("User declined package installation")
        if not world.works:
            raise subprocess.CalledProcessError(1, "pip install")
        world.installed |= {"monai", "safetensors", "einops"}

    packaging = types.ModuleType("slicer.packaging")
    packaging.__spec__ = importlib.util.spec_from_loader("slicer.packaging", None)
    packaging.load_requirements = lambda path: path.read_text().split()
    packaging.pip_ensure = pipEnsure

    class PyTorchUtilsLogic:
        def installTorch(self, askConfirmation=False, forceComputationBackend=None, torchVersionRequirement=None):
            world.calls.append(("torch", askConfirmation, torchVersionRequirement))
            if world.declines:
                return None
            world.installed.add("torch")
            return "torch"

    extension = types.ModuleType("PyTorchUtils")
    extension.PyTorchUtilsLogic = PyTorchUtilsLogic
    monkeypatch.setitem(sys.modules, "slicer.packaging", packaging)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", extension)
    monkeypatch.setattr(slicer, "app", object(), raising=False)
    monkeypatch.setattr(slicer.util, "mainWindow", lambda: "window")
    return world


def test_nothing_happens_when_all_is_there(world):
    world.installed |= {"torch", "monai", "safetensors", "einops"}
    ensureDependencies()
    assert world.calls == []


def test_this_environment_has_what_is_listed():
    assert missingPackages() == []
    ensureDependencies()


def test_pytorch_comes_first_then_the_list_and_the_user_is_asked(world):
    ensureDependencies()
    (kind, asked, version), (other, packages, prompt, requester, _) = world.calls
    assert (kind, asked, version) == ("torch", True, ">=2.4.1")
    assert (other, prompt, requester) == ("pip", True, "TumorGen")
    assert packages == REQUIREMENTS.read_text().split()
    ensureDependencies()
    assert len(world.calls) == 2  # never again


def test_without_a_window_nobody_is_asked(world, monkeypatch):
    monkeypatch.setattr(slicer.util, "mainWindow", lambda: None)
    ensureDependencies()
    assert [call[1] if call[0] == "torch" else call[2] for call in world.calls] == [False, False]


def test_only_what_is_missing_is_installed(world):
    world.installed.add("torch")
    ensureDependencies()
    assert [call[0] for call in world.calls] == ["pip"]


def test_slicers_own_packages_are_kept_at_their_versions(world):
    import numpy
    import SimpleITK

    ensureDependencies()
    kept = world.calls[1][4].split()
    assert f"numpy=={numpy.__version__}" in kept
    assert f"SimpleITK=={SimpleITK.Version.VersionString()}".lower() in [line.lower() for line in kept]
    names = {line.split(">=")[0].lower() for line in REQUIREMENTS.read_text().split()}
    assert not names & {"numpy", "simpleitk", "vtk", "torch"}


def test_a_user_who_declines_is_told_what_is_missing(world):
    world.declines = True
    with pytest.raises(DependencyError, match=r"PyTorch.*declined"):
        ensureDependencies()
    world.installed.add("torch")
    with pytest.raises(DependencyError, match=r"monai.*declined"):
        ensureDependencies()


def test_a_failed_download_is_one_clear_line(world):
    world.works = False
    with pytest.raises(DependencyError, match=r"monai.*pip install.*network"):
        ensureDependencies()


def test_an_installation_that_changed_nothing_is_noticed(world, monkeypatch):
    world.installed.add("torch")
    monkeypatch.setattr(sys.modules["slicer.packaging"], "pip_ensure", lambda *_, **__: None)
    with pytest.raises(DependencyError, match="still needs monai"):
        ensureDependencies()


def test_without_the_pytorch_extension_the_way_to_it_is_told(world, monkeypatch):
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    with pytest.raises(DependencyError, match="Extensions Manager"):
        ensureDependencies()
    assert world.calls == []


def test_plain_python_is_told_what_to_pip_install(world, monkeypatch):
    monkeypatch.delattr(slicer, "app")
    with pytest.raises(DependencyError, match=r"pip install 'torch>=2.4.1' monai safetensors einops"):
        ensureDependencies()
    assert world.calls == []


def test_other_threads_install_nothing(world):
    errors = []

    def run():
        try:
            ensureDependencies()
        except DependencyError as error:
            errors.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "main thread" in errors[0]
    assert world.calls == []


def test_the_list_ships_beside_the_module():
    assert REQUIREMENTS == dependencies.REQUIREMENTS
    assert REQUIREMENTS.parent.name == "Resources"
    assert REQUIREMENTS.is_file()


def test_a_run_asks_before_it_starts(world, scene, logic):
    from scene_cases import aRoi, aVolume

    world.declines = True
    with pytest.raises(DependencyError):
        logic.startInsertion(aVolume(scene), [aRoi(scene)])
    assert len(world.calls) == 1
