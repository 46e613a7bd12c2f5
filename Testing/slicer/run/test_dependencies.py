"""Slicer's own tools install packages once, on the main thread, after one question, and replace nothing of Slicer."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
import threading
import types

import numpy
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

import slicer
from packaging.requirements import Requirement

from TumorGenSlicerLib.run import packages
from TumorGenSlicerLib.run.dependencies import ensureDependencies
from TumorGenSlicerLib.run.packages import REQUIREMENTS, DependencyError, checkPackages, missingPackages

NAMES = ("torch", "monai", "safetensors", "einops")
#: What pip would install today.
NEWEST = {"torch": "2.12.0", "monai": "1.6.1", "safetensors": "0.6.0", "einops": "0.8.0"}


@pytest.fixture
def world(monkeypatch):
    """Slicer with its packaging module and the PyTorch extension, which behave as the real ones.

    Both ask unless told not to. ``pip_ensure`` installs nothing in testing mode, checks the versions that are there,
    and offers to restart. Python finds the packages and versions in ``installed``.
    """
    world = types.SimpleNamespace(
        installed={}, calls=[], questions=[], answer=True, works=True, testing=False, window="window", numpy=None
    )
    find, version, distribution = importlib.util.find_spec, importlib.metadata.version, importlib.metadata.distribution

    def findSpec(name, *rest):
        if name in NAMES:
            return find("json") if name in world.installed else None
        return find(name, *rest)

    def versionOf(name):
        if name == "numpy" and world.numpy:
            return world.numpy
        if name not in NAMES:
            return version(name)
        if name not in world.installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return world.installed[name]

    def distributionOf(name):
        if name in NAMES and name not in world.installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return distribution("pytest" if name in NAMES else name)

    monkeypatch.setattr(importlib.util, "find_spec", findSpec)
    monkeypatch.setattr(importlib.metadata, "version", versionOf)
    monkeypatch.setattr(importlib.metadata, "distribution", distributionOf)

    def ask(text, windowTitle=None, **_options):
        world.questions.append(text)
        return world.answer

    def pipEnsure(
        requirements, constraints=None, prompt_install=True, prompt_restart=True, requester=None, skip_in_testing=True
    ):
        missing = [r for r in requirements if not r.specifier.contains(world.installed.get(r.name, "0"))]
        if not missing or (skip_in_testing and world.testing):
            return
        if prompt_install and not ask("packages need to be installed"):
            raise RuntimeError("User declined package installation")
        world.calls.append(("pip", [r.name for r in missing], requester, constraints.read_text()))
        if not world.works:
            raise subprocess.CalledProcessError(1, "pip install")
        world.installed |= {r.name: NEWEST[r.name] for r in missing}
        if prompt_restart and ask("restart now?"):
            pytest.fail("restarted")

    packaging = types.ModuleType("slicer.packaging")
    packaging.__spec__ = importlib.util.spec_from_loader("slicer.packaging", None)
    packaging.load_requirements = lambda path: [Requirement(line) for line in path.read_text().split()]
    packaging.pip_ensure = pipEnsure

    class PyTorchUtilsLogic:
        def installTorch(self, askConfirmation=False, forceComputationBackend=None, torchVersionRequirement=None):
            if askConfirmation and not world.testing and not ask("PyTorch will be downloaded"):
                return None
            world.calls.append(("torch", torchVersionRequirement))
            if not world.works:
                raise subprocess.CalledProcessError(1, "light_the_torch")
            world.installed["torch"] = NEWEST["torch"]
            return "torch"

    extension = types.ModuleType("PyTorchUtils")
    extension.PyTorchUtilsLogic = PyTorchUtilsLogic
    monkeypatch.setitem(sys.modules, "slicer.packaging", packaging)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", extension)
    app = types.SimpleNamespace(testingEnabled=lambda: world.testing)
    monkeypatch.setattr(slicer, "app", app, raising=False)
    monkeypatch.setattr(slicer.util, "mainWindow", lambda: world.window)
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", ask)
    packages.importPackages.cache_clear()
    return world


def test_nothing_happens_when_all_is_there(world):
    world.installed |= NEWEST
    ensureDependencies()
    assert world.calls == world.questions == []


def test_this_environment_has_what_is_listed():
    assert missingPackages() == []
    ensureDependencies()


def test_one_question_names_all_packages_and_the_wait_and_pytorch_comes_first(world):
    ensureDependencies()
    (question,) = world.questions
    for part in ("torch >=2.4.1,<2.13 (200 MB", "3 GB", "monai >=1.4 (", "safetensors", "einops"):
        assert part in question
    assert "Slicer does not answer for some minutes" in question
    (kind, version), (other, installed, requester, _) = world.calls
    assert (kind, version) == ("torch", ">=2.4.1,<2.13")
    assert (other, installed, requester) == ("pip", ["monai", "safetensors", "einops"], "TumorGen")
    ensureDependencies()
    assert (len(world.calls), len(world.questions)) == (2, 1)  # never again


def test_without_a_window_nobody_is_asked_and_the_console_says_what_is_installed(world, capsys):
    world.window = None
    ensureDependencies()
    assert world.questions == []
    assert len(world.calls) == 2
    said = capsys.readouterr().out
    assert all(name in said for name in NAMES)


def test_only_what_is_missing_is_asked_for_and_installed(world):
    world.installed["torch"] = "2.6.0+cu126"
    ensureDependencies()
    assert [call[0] for call in world.calls] == ["pip"]
    assert "torch" not in world.questions[0]


def test_a_package_that_is_too_old_is_brought_up_to_date(world):
    world.installed |= NEWEST | {"monai": "1.3.2"}
    assert missingPackages() == ["monai"]
    ensureDependencies()
    assert world.calls[0][:2] == ("pip", ["monai"])


def test_slicers_own_packages_are_kept_at_their_versions(world):
    import SimpleITK

    ensureDependencies()
    kept = world.calls[1][3].split()
    assert f"numpy=={numpy.__version__}" in kept
    assert f"torch=={NEWEST['torch']}" in kept
    assert f"SimpleITK=={SimpleITK.Version.VersionString()}".lower() in [line.lower() for line in kept]
    names = {line.split(">=")[0].lower() for line in REQUIREMENTS.read_text().split()}
    assert not names & {"numpy", "simpleitk", "vtk", "torch"}


def test_a_user_who_declines_has_nothing_installed_and_is_told_what_is_missing(world):
    world.answer = False
    with pytest.raises(DependencyError, match=r"torch, monai, safetensors, einops, and you declined"):
        ensureDependencies()
    assert world.calls == []


@pytest.mark.parametrize("installed", [(), ("torch",)])
def test_a_failed_download_is_one_clear_line(world, installed):
    world.works = False
    world.installed |= {name: NEWEST[name] for name in installed}
    with pytest.raises(DependencyError, match=r"monai.*not installed: Command.*network.*PyTorch's own site"):
        ensureDependencies()


def test_after_half_of_it_failed_only_the_rest_is_installed(world, monkeypatch):
    ensure = sys.modules["slicer.packaging"].pip_ensure

    def fail(*_, **__):
        raise subprocess.CalledProcessError(1, "pip install")

    monkeypatch.setattr(sys.modules["slicer.packaging"], "pip_ensure", fail)
    with pytest.raises(DependencyError, match="needs monai"):
        ensureDependencies()
    monkeypatch.setattr(sys.modules["slicer.packaging"], "pip_ensure", ensure)
    ensureDependencies()
    assert [call[0] for call in world.calls] == ["torch", "pip"]


def test_an_installation_that_changed_nothing_is_noticed(world, monkeypatch):
    world.installed["torch"] = NEWEST["torch"]
    monkeypatch.setattr(sys.modules["slicer.packaging"], "pip_ensure", lambda *_, **__: None)
    with pytest.raises(DependencyError, match="still needs monai"):
        ensureDependencies()


def test_without_the_pytorch_extension_the_way_to_it_is_told_before_any_question(world, monkeypatch):
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    with pytest.raises(DependencyError, match="Extensions Manager"):
        ensureDependencies()
    assert world.calls == world.questions == []


def test_in_testing_mode_nothing_is_asked_or_installed(world):
    world.testing = True
    with pytest.raises(DependencyError, match="testing mode"):
        ensureDependencies()
    assert world.calls == world.questions == []


def test_an_older_slicer_is_told_which_one_is_needed(world, monkeypatch):
    monkeypatch.delitem(sys.modules, "slicer.packaging")
    with pytest.raises(DependencyError, match=r"^TumorGen needs Slicer 5\.12 or newer\.$"):
        ensureDependencies()
    assert world.calls == world.questions == []


def test_plain_python_is_told_what_to_pip_install(world, monkeypatch):
    monkeypatch.delattr(slicer, "app")
    wanted = r"pip install 'torch>=2.4.1,<2.13' 'monai>=1.4' 'safetensors>=0.4.3' 'einops>=0.7'"
    with pytest.raises(DependencyError, match=wanted):
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


# On macOS: Slicer is a program for Intel processors there


@pytest.fixture
def macOs(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(packages.platform, "machine", lambda: "x86_64")


def test_macos_asks_for_its_last_pytorch_and_accepts_it(world, macOs, monkeypatch):
    monkeypatch.setitem(NEWEST, "torch", "2.2.2")
    ensureDependencies()
    assert world.calls[0] == ("torch", ">=2.2.2,<2.3")
    checkPackages()


def test_after_an_installation_that_replaced_numpy_slicer_must_be_restarted(world, macOs, monkeypatch):
    torchUtils = sys.modules["PyTorchUtils"].PyTorchUtilsLogic
    install = torchUtils.installTorch

    def installWithNumpy(logic, **options):
        world.numpy = "1.26.4"
        return install(logic, **options)

    monkeypatch.setattr(torchUtils, "installTorch", installWithNumpy)
    message = rf"numpy {numpy.__version__} is loaded, but 1\.26\.4 is on disk.*Restart Slicer, then press Apply again"
    for _ in range(2):
        with pytest.raises(DependencyError, match=message):
            ensureDependencies()
    assert [call[0] for call in world.calls] == ["torch"]


# Packages that are there and cannot be used


def test_a_pytorch_that_is_too_old_is_refused_and_not_replaced(world):
    world.installed |= NEWEST | {"torch": "2.4.0"}
    with pytest.raises(
        DependencyError, match=r"PyTorch 2\.4\.0.*needs torch>=2\.4\.1.*Uninstall PyTorch, restart Slicer"
    ):
        ensureDependencies()
    assert world.calls == world.questions == []


def test_a_newer_pytorch_that_is_there_already_is_used(world):
    world.installed |= NEWEST | {"torch": "2.13.1+cpu"}
    ensureDependencies()
    assert world.calls == []


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of installed packages in which TumorGen needs a package ``tgprobe``, all of it real."""
    monkeypatch.syspath_prepend(tmp_path)
    needed = packages._requirements() | {"tgprobe": ">=1"}
    monkeypatch.setattr(packages, "_requirements", lambda: needed)
    packages.importPackages.cache_clear()
    yield tmp_path
    packages.importPackages.cache_clear()
    sys.modules.pop("tgprobe", None)


def install(site, package="", metadata="Metadata-Version: 2.1\nName: tgprobe\nVersion: 1.5\n"):
    """Installs the package; None leaves out a file."""
    (site / "tgprobe").mkdir()
    if package is not None:
        (site / "tgprobe" / "__init__.py").write_text(package)
    (site / "tgprobe-1.5.dist-info").mkdir()
    if metadata is not None:
        (site / "tgprobe-1.5.dist-info" / "METADATA").write_text(metadata)
    importlib.invalidate_caches()


def test_a_complete_package_is_fine(site):
    assert missingPackages() == ["tgprobe"]
    install(site)
    assert missingPackages() == []
    checkPackages()
    packages.importPackages()


@pytest.mark.parametrize("left", ["no version", "no code", "only the folder", "only the version", "no metadata"])
def test_an_installation_that_broke_off_is_found_and_the_repair_told(site, left):
    install(
        site,
        None if left in ("no code", "only the folder") else "",
        None if left in ("no version",) else "Name: tgprobe\nVersion: 1.5\n",
    )
    if left in ("only the folder", "no metadata"):
        (site / "tgprobe-1.5.dist-info" / "METADATA").unlink()
        (site / "tgprobe-1.5.dist-info").rmdir()
    if left == "only the version":
        (site / "tgprobe" / "__init__.py").unlink()
        (site / "tgprobe").rmdir()
    importlib.invalidate_caches()
    with pytest.raises(
        DependencyError, match=r"tgprobe: installed only in part\. Close Slicer, delete everything named tgprobe\*"
    ):
        checkPackages()
    with pytest.raises(DependencyError, match="only in part"):
        ensureDependencies()


def test_a_package_that_cannot_be_loaded_is_named_and_the_repair_told(site, scene, logic, tiny):
    from scene_cases import aRoi, aVolume

    install(site, "raise OSError('[WinError 206] The filename or extension is too long')")
    message = (
        r"tgprobe is installed, but cannot be loaded \(OSError: \[WinError 206\].*delete everything named tgprobe\*"
    )
    with pytest.raises(DependencyError, match=message):
        packages.importPackages()
    with pytest.raises(DependencyError, match=message):
        logic.insertTumor(aVolume(scene), aRoi(scene), **tiny)


def test_the_list_ships_beside_the_module():
    assert REQUIREMENTS.parent.name == "Resources"
    assert REQUIREMENTS.is_file()


def test_a_run_asks_before_it_starts_and_a_preview_asks_nothing(world, scene, logic):
    from scene_cases import aRoi, aVolume

    world.answer = False
    volume, roi = aVolume(scene), aRoi(scene)
    with pytest.raises(DependencyError, match="press Apply once"):
        logic.startPreview(volume, roi).result()
    assert world.questions == []
    with pytest.raises(DependencyError, match="declined"):
        logic.startInsertion(volume, [roi])
    assert len(world.questions) == 1
    assert world.calls == []
