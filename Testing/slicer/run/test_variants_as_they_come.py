"""Variants that appear during their run: when they come, and that all of them go if the run does not end well."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

from scene_cases import aRoi, aVolume, sceneState

from TumorGenCore.errors import CancelledError, InvalidBoxError, UnsupportedVolumeError
from TumorGenCore.insertion.request import FILL_TRIES, TumorRequest
from TumorGenSlicerLib.run.worker import Job
from TumorGenSlicerLib.scene import result_nodes


class Gate:
    """Stops the worker after it has handed over ``after`` variants, until ``open``."""

    def __init__(self):
        self.after, self.handedOver = 1, 0
        self.reached, self._opened = threading.Event(), threading.Event()

    def pass_(self):
        self.handedOver += 1
        if self.handedOver == self.after:
            self.reached.set()
            assert self._opened.wait(60)

    def open(self):
        self._opened.set()


@pytest.fixture
def gate(monkeypatch):
    gate, handOver = Gate(), Job.handOver

    def handOverAndWait(job, part):
        handOver(job, part)
        gate.pass_()

    monkeypatch.setattr(Job, "handOver", handOverAndWait)
    yield gate
    gate.open()


@pytest.fixture
def begun(scene, logic, tiny, hierarchy, gate):
    """A run of three variants that waits after the first, and the state of the scene before the run."""

    class Begun:
        nodes = aVolume(scene), aRoi(scene)
        state, items = sceneState(scene), hierarchy.GetNumberOfItems()
        run = logic.startInsertion(nodes[0], [nodes[1]], seeds=[1, 2, 3], softMask=True, **tiny)

        @staticmethod
        def isAsBefore():
            return sceneState(scene) == begun.state and hierarchy.GetNumberOfItems() == begun.items

    begun = Begun()
    assert gate.reached.wait(60)
    return begun


def test_a_variant_is_in_the_scene_before_the_run_has_ended(scene, logic, begun, gate):
    (first,) = begun.run.addReady()
    assert not begun.run.isFinished
    assert all(scene.IsNodePresent(node) for node in first.nodes)
    assert len(first.nodes) == 3
    assert logic.results == [first]
    assert begun.run.addReady() == []  # each is given out once
    gate.open()
    assert begun.run.wait(60)
    variants = begun.run.addResults()
    assert first in variants
    assert {variant.seed for variant in variants} == {1, 2, 3}
    totals = [variant.quality.total for variant in variants]
    assert totals == sorted(totals, reverse=True)
    assert logic.results == variants


def test_cancel_takes_back_what_was_shown(logic, begun, gate):
    assert len(begun.run.addReady()) == 1
    assert not begun.isAsBefore()
    begun.run.cancel()
    gate.open()
    assert begun.run.wait(60)
    assert begun.run.addReady() == []
    with pytest.raises(CancelledError):
        begun.run.addResults()
    assert begun.isAsBefore()
    assert logic.results == []


def test_failure_takes_back_what_was_shown(logic, begun, gate, monkeypatch):
    def fail(job, part):
        raise MemoryError("no room")

    monkeypatch.setattr(Job, "handOver", fail)
    assert len(begun.run.addReady()) == 1
    gate.open()
    assert begun.run.wait(60)
    with pytest.raises(MemoryError, match="no room"):
        begun.run.addResults()
    assert begun.isAsBefore()
    assert logic.results == []


def test_nodes_that_cannot_be_made_end_the_run(logic, begun, gate, monkeypatch):
    assert len(begun.run.addReady()) == 1
    gate.open()

    def fail(*arguments):
        raise MemoryError("no room")

    monkeypatch.setattr(result_nodes, "newSegment", fail)
    while not begun.run.wait(0.05):
        begun.run.addReady()
    with pytest.raises(MemoryError, match="no room"):
        begun.run.addResults()
    assert begun.isAsBefore()


@pytest.mark.parametrize(("which", "error"), [(0, UnsupportedVolumeError), (1, InvalidBoxError)])
def test_a_removed_input_takes_along_what_was_shown(scene, logic, begun, gate, which, error):
    (first,) = begun.run.addReady()
    scene.RemoveNode(begun.nodes[which])
    gate.open()
    assert begun.run.wait(60)
    assert begun.run.addReady() == []
    with pytest.raises(error, match="removed during the run"):
        begun.run.addResults()
    assert not any(scene.IsNodePresent(node) for node in first.nodes)
    assert logic.results == []


def test_what_the_user_removes_meanwhile_stays_removed(scene, logic, begun, gate):
    (first,) = begun.run.addReady()
    logic.removeVariant(first)
    assert begun.isAsBefore()
    gate.open()
    assert begun.run.wait(60)
    variants = begun.run.addResults()
    assert len(variants) == 2
    assert first.seed not in {variant.seed for variant in variants}
    assert logic.results == variants
    assert not any(scene.IsNodePresent(node) for node in first.nodes)


def test_a_run_of_which_the_user_removes_everything_ends_well(logic, begun, gate):
    gate.open()
    assert begun.run.wait(60)
    begun.run.addReady()
    assert logic.removeLastResult()
    assert begun.run.addResults() == []
    assert begun.isAsBefore()


def test_cancel_takes_back_only_what_is_still_there(logic, begun, gate):
    (first,) = begun.run.addReady()
    logic.removeVariant(first)
    begun.run.cancel()
    gate.open()
    assert begun.run.wait(60)
    with pytest.raises(CancelledError):
        begun.run.addResults()
    assert begun.isAsBefore()


def test_shutdown_takes_back_what_was_shown_and_leaves_what_was_taken(scene, logic, tiny, begun, gate):
    assert len(begun.run.addReady()) == 1
    gate.open()
    logic.shutdown()
    assert begun.isAsBefore()
    (variant,) = logic.insertTumors(begun.nodes[0], [begun.nodes[1]], **tiny)
    logic.shutdown()
    assert all(scene.IsNodePresent(node) for node in variant.nodes)


@pytest.fixture
def told(monkeypatch):
    """Progress that the worker reported: steps done and steps in all."""
    told, report = [], Job.report

    def reportAndNote(job, done, text):
        report(job, done, text)
        told.append((done, job.progress.stepsInAll))

    monkeypatch.setattr(Job, "report", reportAndNote)
    return told


def goesOnTo(told, total):
    """Whether progress never went backwards, and its end was known from the beginning and reached."""
    done = [done for done, _ in told]
    return done == sorted(done) and done[-1] == total and {inAll for _, inAll in told} == {total}


@pytest.mark.parametrize("boxes", [1, 2])
@pytest.mark.parametrize("quality", [None, 1.0])
def test_progress_never_runs_backwards_nor_past_its_end(scene, logic, tiny, told, boxes, quality):
    """The untrained networks reach no quality of 1, so every redraw is used up; the plan counts none of them."""
    rois = [aRoi(scene, (20, 20, 20), (shift, 0, 0)) for shift in (-14, 14)[:boxes]]
    arguments = {**tiny, "request": TumorRequest(steps=2, least_quality=quality)}
    logic.insertTumors(aVolume(scene), rois, seeds=[1, 2], **arguments)
    assert goesOnTo(told, 2 * 2 * boxes)


def test_progress_of_a_fill_counts_all_tries_from_the_beginning(scene, logic, told):
    arguments = {"model": "pet-fdg-v2-4step", "device": "cpu", "suvFactor": 1.0}
    logic.insertTumor(aVolume(scene), aRoi(scene), TumorRequest(steps=1, fill=0.2), **arguments)
    assert goesOnTo(told, FILL_TRIES)
