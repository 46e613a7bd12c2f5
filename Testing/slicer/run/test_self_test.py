"""The self-test on the real scene: it passes, it finds what is broken, and it leaves scene and views as they were."""

from __future__ import annotations

import getpass
import json
import platform
import tempfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

import slicer
from scene_cases import aRoi, aVolume, sceneState, voxels

from TumorGenSlicerLib.run import dependencies, packages, self_test, self_test_report
from TumorGenSlicerLib.run.logic import BusyError, InsertionLogic
from TumorGenSlicerLib.run.self_test import SelfTest, runSelfTest
from TumorGenSlicerLib.run.self_test_report import SelfTestReport, StepResult, scrubbed
from TumorGenSlicerLib.run.worker import sharedWorker


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Stands for the folder of temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def users(scene, logic, tiny, folder, hierarchy):
    """A user's scene: a scan with its box and a tumor, shown in a view."""
    volume, roi = aVolume(scene, name="Jane Doe PET"), aRoi(scene, name="Jane Doe lesion")
    logic.insertTumor(volume, roi, **tiny)
    view = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    view.SetBackgroundVolumeID(volume.GetID())
    return volume


@pytest.fixture
def selfTest(users, tiny):
    """Makes a quick self-test; the logic may be another one."""

    def make(logic=None, **settings):
        quick = {"spacingMm": (10.0, 10.0, 10.0), "steps": 1, "model": tiny["model"], "device": "cpu"}
        return SelfTest(logic, **{**quick, **settings})

    return make


def stateOf(scene):
    """Nodes with their times of change, and what the nodes hold that may be changed and put back."""
    view = scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    place = scene.GetFirstNodeByClass("vtkMRMLSelectionNode")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    putBack = {node.GetID() for node in (view, place, hierarchy)}
    times = sorted((key, time) for key, time in sceneState(scene).items() if key not in putBack)
    placing = place.GetActivePlaceNodeID(), place.GetActivePlaceNodeClassName()
    return times, view.GetBackgroundVolumeID(), placing, hierarchy.GetNumberOfItems()


def statuses(report, status):
    return [step.name for step in report.steps if step.status == status]


def notes(report):
    return {step.name: step.note for step in report.steps}


def test_it_passes_and_leaves_the_scene_as_it_was(scene, selfTest, folder):
    """Also a node that the user adds meanwhile stays."""
    added, seen = [], []
    state = stateOf(scene)

    def addNode(progress):
        if progress.text == "three variants" and not added:
            added.append(scene.AddNewNodeByClass("vtkMRMLTextNode", "mine"))

    test = selfTest(onStep=seen.append)
    report = runSelfTest(test, addNode)
    assert report.failed == []
    assert statuses(report, "skipped") == []
    assert list(folder.iterdir()) == []
    assert seen == report.steps
    assert test.progress.stepsDone == test.progress.stepsInAll == len(report.steps)
    assert {"Slicer", "operating system", "memory, GiB", "torch", "graphics card"} <= set(report.system)
    scene.RemoveNode(added[0])
    assert stateOf(scene) == state


def test_the_report_is_for_people_and_machines_and_holds_nothing_private(scene, selfTest, tmp_path):
    class Failing(InsertionLogic):
        def startPreview(self, *_, **__):
            raise OSError(2, "No such file", str(Path.home() / "Jane Doe" / "weights.bin"))

    path = tmp_path / "new" / "report.md"
    runSelfTest(selfTest(Failing(scene))).write(path)
    text = path.read_text(encoding="utf-8")
    values = json.loads(text.split("```json")[1].split("```")[0])
    assert [step["name"] for step in values["steps"] if step["status"] == "failed"] == [
        "quick insertion (live preview)"
    ]
    assert "FileNotFoundError: [Errno 2] No such file: '<folder>/weights.bin'" in text
    assert "| **failed** |" in text
    for private in ("Jane", str(Path.home()), str(tmp_path), platform.node(), tempfile.gettempdir()):
        assert private not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no /home/ann/x/scan.nrrd here", "no <folder>/scan.nrrd here"),
        (r"C:\Users\Ann Other\AppData\lib.dll is missing", r"<folder>/lib.dll is missing"),
        (r"'C:\\Users\\Ann Other\\AppData\\lib.dll'", "'<folder>/lib.dll'"),
        (r"\\server\share\lib.dll", "<folder>/lib.dll"),
        ("'D:/My Scans/Ann Other/lib.dll'", "'<folder>/lib.dll'"),
        ("user ann on ann-pc, Hannah", "user <user> on <computer>, Hannah"),
        ("0.84 / 0.81, 3 Bq/ml, and/or", "0.84 / 0.81, 3 Bq/ml, and/or"),
    ],
)
def test_texts_are_scrubbed(monkeypatch, text, expected):
    monkeypatch.setattr(getpass, "getuser", lambda: "ann")
    monkeypatch.setattr(platform, "node", lambda: "ann-pc")
    monkeypatch.setattr(Path, "home", lambda: r"C:\Users\Ann Other")
    assert scrubbed(text) == expected


class _Spoiled:
    """A run whose results were spoiled afterwards."""

    def __init__(self, insertion):
        self._insertion = insertion

    def __getattr__(self, name):
        return getattr(self._insertion, name)

    def addResults(self):
        variants = self._insertion.addResults()
        for variant in variants:
            spoil(variant)
        return variants


def spoil(variant):
    """Changes a voxel outside of the box, empties the mask, adds a node, and shows the result."""
    voxels(variant.volumeNode)[0, 0, 0] += 1
    variant.segmentationNode.GetSegmentation().RemoveAllSegments()
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode")
    slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode").SetBackgroundVolumeID(variant.volumeNode.GetID())


def test_what_is_broken_is_reported_and_the_scene_is_as_it_was(scene, selfTest):
    class Spoiling(InsertionLogic):
        def startInsertion(self, *arguments, **options):
            return _Spoiled(super().startInsertion(*arguments, **options))

    state = stateOf(scene)
    report = runSelfTest(selfTest(Spoiling(scene)))
    said = notes(report)
    assert {"voxels outside of the box", "mask inside the box", "remove results"} <= set(statuses(report, "failed"))
    assert "1 voxels outside of the box were changed" in said["voxels outside of the box"]
    assert said["mask inside the box"] == "SelfTestError: The mask is empty."
    assert "vtkMRMLTextNode" in said["remove results"]
    assert "scene as before" in statuses(report, "passed")
    assert stateOf(scene) == state


def test_a_step_that_needs_a_failed_one_is_skipped(scene, selfTest):
    class Failing(InsertionLogic):
        def startInsertion(self, *_, **__):
            raise RuntimeError("CUDA out of memory")

    report = runSelfTest(selfTest(Failing(scene)))
    assert statuses(report, "failed") == ["full insertion", "three variants", "cancel"]
    assert notes(report)["full insertion"] == "RuntimeError: CUDA out of memory"
    assert notes(report)["mask inside the box"] == "This step needs: full insertion."


def test_nothing_is_installed(selfTest, monkeypatch):
    monkeypatch.setattr(self_test, "missingPackages", lambda: ["monai"])
    monkeypatch.setattr(dependencies, "_installRest", lambda: pytest.fail("installs"))
    monkeypatch.delattr(slicer, "modules")  # as plain Python
    report = runSelfTest(selfTest())
    assert statuses(report, "failed") == ["packages"]
    assert "monai" in notes(report)["packages"]
    assert {"phantom", "box", "scene as before"} <= set(statuses(report, "passed"))


def test_a_numpy_that_was_replaced_on_disk_is_found(selfTest, monkeypatch):
    monkeypatch.setattr(packages.np, "__version__", "1.26.4")
    assert "Restart Slicer" in notes(runSelfTest(selfTest()))["packages"]


@pytest.mark.parametrize(("at", "how"), [("packages", "cancel"), ("full insertion", "drop"), ("cancel", "cancel")])
def test_cancelled_at_any_step_it_leaves_nothing(scene, selfTest, at, how):
    state = stateOf(scene)
    test = selfTest()
    while test.progress.text != at:
        assert not test.wait(0.001)
    test.wait(0.001)
    getattr(test, how)()
    assert test.wait() and test.isFinished and test.isCancelled
    assert stateOf(scene) == state
    assert test.wait(0.001)
    if how == "cancel":
        assert not sharedWorker().isBusy


def test_what_a_caller_raises_ends_it(scene, selfTest, folder):
    state = stateOf(scene)

    def interrupt(progress):
        if progress.text == "remove results":
            assert list(folder.iterdir())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runSelfTest(selfTest(), interrupt)
    assert stateOf(scene) == state
    assert list(folder.iterdir()) == []
    assert not sharedWorker().isBusy


def test_it_waits_for_no_run_of_the_user(scene, selfTest, logic, tiny, users):
    insertion = logic.startInsertion(users, [aRoi(scene)], **tiny)
    with pytest.raises(BusyError):
        selfTest()
    insertion.cancel()
    insertion.wait()


def test_a_fact_that_is_not_known_says_why(monkeypatch):
    monkeypatch.setattr(self_test_report, "_memoryGib", lambda: 1 / 0)
    facts = self_test_report.computerFacts()
    assert "ZeroDivisionError" in facts["memory, GiB"]
    assert facts["numpy"] == np.__version__


def test_the_table_survives_any_message():
    report = SelfTestReport(steps=[StepResult("a", "failed", 0.0, "one\ntwo | three")])
    assert "| a | **failed** | 0.0 | one two \\| three |" in report.markdown()
