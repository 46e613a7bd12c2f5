"""The panel's live preview: decides when to make, show and remove previews."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import qt
import slicer
from slicer.i18n import tr as _

from TumorGenCore.errors import CancelledError, TumorGenError
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenSlicerLib.panel.parameters import Parameters, previewRequest, runOptions
from TumorGenSlicerLib.panel.run_monitor import RunMonitor
from TumorGenSlicerLib.run.live_preview import PREVIEW_STEPS, REST_MS, LivePreviewDecision, pauseMs, secondsOfPreview
from TumorGenSlicerLib.run.logic import InsertionLogic, Preview, Variant
from TumorGenSlicerLib.scene.geometry import roiBox, volumeGrid
from TumorGenSlicerLib.scene.preview_nodes import PreviewNodes

__all__ = ["LivePreview", "PreviewSource"]

_SETTING = "TumorGen/LivePreview"


class PreviewSource(NamedTuple):
    """Everything that a preview depends on; equal sources give equal previews.

    Args:
        volumeId: ID of the volume node.
        voxelsChanged: VTK's modification time of the voxels.
        grid: grid of the volume, in world coordinates.
        box: box in world coordinates.
        request: request of the preview.
        seed: seed of the tumor.
        model: bundle name or folder.
        device: device that the networks run on.
        suvFactor: SUV per unit from the user; None if it comes from the volume.
    """

    volumeId: str
    voxelsChanged: int
    grid: Grid
    box: Box
    request: TumorRequest
    seed: int
    model: str
    device: str
    suvFactor: float | None


class LivePreview:
    """Makes a quick tumor on the worker's thread whenever volume, box or settings change, and shows the newest one.

    Args:
        checkBox: turns previews on and off.
        logic: makes the previews.
        parameters: returns the panel's parameters; None while it shows none.
        request: returns the request of a run, or raises a ``TumorGenError``.
        isBlocked: returns whether a run is under way or about to start.
        beforeShowing: called before the views change.
        tell: called with a message for the user.
    """

    def __init__(
        self,
        checkBox: qt.QCheckBox,
        logic: InsertionLogic,
        parameters: Callable[[], Parameters | None],
        request: Callable[[], TumorRequest],
        isBlocked: Callable[[], bool],
        beforeShowing: Callable[[], None],
        tell: Callable[[str], None],
    ) -> None:
        self._logic, self._parameters, self._request, self._isBlocked = logic, parameters, request, isBlocked
        self._beforeShowing, self._tell = beforeShowing, tell
        self._decision = LivePreviewDecision(str(qt.QSettings().value(_SETTING, "")))
        self._nodes = PreviewNodes(slicer.mrmlScene)
        self._monitor: RunMonitor[Preview] = RunMonitor(lambda _: None, self._onFinished, lambda: None)
        #: Sources of the preview shown, of the one under way, and of the one that must not be made (again).
        self._shown: PreviewSource | None = None
        self._underWay: PreviewSource | None = None
        self._settled: PreviewSource | None = None
        self._seconds: float | None = None
        self._begun = 0.0
        self._isPending = False
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.connect("timeout()", self._update)
        checkBox.connect("clicked(bool)", self._onClicked)

    @property
    def isOnByDefault(self) -> bool:
        """Whether previews are on, by measurement or by the user's choice."""
        return self._decision.isOn

    @property
    def shown(self) -> PreviewSource | None:
        """Source of the preview in the views; None if there is no preview."""
        return self._shown

    @property
    def isUnderWay(self) -> bool:
        """Whether a preview is under way."""
        return self._underWay is not None

    def changed(self) -> None:
        """Plans a new preview after a change; cheap enough for every step of a dragged handle."""
        if not self._isWanted():
            self.withdraw()
            return
        pause = pauseMs(self._seconds, 1000 * (time.monotonic() - self._begun))
        if pause is None:
            if self._underWay is not None and self._underWay != self._state():
                self._monitor.cancel()  # It is out of date, and dragging needs the processor.
            self._timer.start(REST_MS)
        elif not self._isPending:
            self._timer.start(pause)
        self._isPending = True

    def withdraw(self) -> None:
        """Removes the preview and restores the views. The next change brings it back."""
        self._timer.stop()
        self._isPending = False
        self._monitor.stop()
        self._nodes.remove()
        self._shown = self._underWay = None

    def settle(self) -> None:
        """Removes the preview and makes none until the next change, because the views show a result now."""
        self.withdraw()
        self._settled = self._state()

    def learn(self, variants: Sequence[Variant], steps: int) -> str:
        """Measures a run; returns a sentence for the user if that turns previews on or off, else an empty one."""
        if not variants:
            return ""
        # The quickest one: the first tumor of a session also warms up the networks.
        return self._measure(min(secondsOfPreview(variant.summary.part_seconds, steps) for variant in variants))

    def _isWanted(self) -> bool:
        parameters = self._parameters()
        if parameters is None or not parameters.livePreview:
            return False
        return not self._nodes.isShown or self._nodes.source is parameters.inputVolume

    def _state(self) -> PreviewSource | None:
        """Source of a preview made now; None if a preview is not possible."""
        parameters = self._parameters()
        if parameters is None:
            return None
        options = runOptions(parameters)
        volumeNode, boxNode = parameters.inputVolume, parameters.box
        if self._logic.problem(volumeNode, [boxNode], model=options["model"]):
            return None
        try:
            request = previewRequest(self._request())
        except TumorGenError:  # The line under Apply says why.
            return None
        return PreviewSource(
            volumeNode.GetID(),
            volumeNode.GetImageData().GetMTime(),
            volumeGrid(volumeNode),
            roiBox(boxNode),
            request,
            parameters.seed,
            options["model"],
            options["device"],
            options["suvFactor"],
        )

    def _update(self) -> None:
        """Makes the preview of the present state unless it exists already."""
        self._isPending = False
        parameters, state = self._parameters(), self._state()
        if parameters is None or state is None or not self._isWanted():
            self.withdraw()
            return
        if self._isBlocked() or state in (self._underWay, self._settled):
            return
        if state == self._shown:
            self._monitor.cancel()
            return
        self._settled = None
        now = time.monotonic()
        if self._underWay is not None and self._seconds is not None:
            # The last one was too slow: at the same pace each preview would cancel the one before, and none would show.
            self._seconds = max(self._seconds, now - self._begun)
        self._begun = now
        try:
            preview = self._logic.startPreview(
                parameters.inputVolume,
                parameters.box,
                state.request,
                seed=parameters.seed,
                **runOptions(parameters),
            )
        except Exception as error:  # No error window may open while the user drags a box.
            self._fail(error)
            return
        self._underWay = state
        self._monitor.watch(preview)

    def _onFinished(self, preview: Preview) -> None:
        state, self._underWay = self._underWay, None
        try:
            result = preview.result()
        except CancelledError:
            return
        except Exception as error:  # As above; torch or a graphics driver may raise anything.
            self._fail(error)
            return
        self._seconds = result.seconds
        sentence = self._measure(result.seconds)
        if sentence:
            self._tell(sentence)
        parameters = self._parameters()
        if parameters is None or not self._isWanted():
            self.withdraw()
            return
        self._beforeShowing()
        self._nodes.show(preview.volumeNode, result, preview.units.suv_factor, self._logic.results)
        self._shown = state
        self._tell(
            _("Preview of {steps} steps in {seconds:.1f} s. Press Apply to insert the tumor.").format(
                steps=min(PREVIEW_STEPS, parameters.steps), seconds=result.seconds
            )
        )

    def _fail(self, error: Exception) -> None:
        self.settle()
        self._tell(_("No preview: {error}").format(error=error))

    def _onClicked(self, checked: bool) -> None:
        self._decision.choose(checked)
        self._remember()
        self._settled = None
        self.changed()

    def _measure(self, seconds: float) -> str:
        sentence = self._decision.measure(seconds)
        self._remember()
        parameters = self._parameters()
        if parameters is not None:
            parameters.livePreview = self._decision.isOn
        return sentence

    def _remember(self) -> None:
        qt.QSettings().setValue(_SETTING, self._decision.decision.value)
