"""The panel's self-test: asks for the report's file, shows how far the test is, and writes the report."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from TumorGenSlicerLib.panel.run_monitor import RunMonitor
from TumorGenSlicerLib.run.self_test import SelfTest
from TumorGenSlicerLib.run.self_test_report import reportPath
from TumorGenSlicerLib.run.worker import Progress

__all__ = ["SelfTestButton"]


class SelfTestButton:
    """Starts a self-test, and cancels the one under way.

    Args:
        button: that the user presses.
        parent: of the file dialog.
        start: makes a self-test.
        beforeStart: called before a self-test changes the scene.
        onProgress: called with its progress while it goes on.
        onEnded: called with a message for the user after it has ended; the message is empty if it was dropped.
    """

    def __init__(
        self,
        button: qt.QToolButton,
        parent: Any,
        start: Callable[[], SelfTest],
        beforeStart: Callable[[], None],
        onProgress: Callable[[Progress], None],
        onEnded: Callable[[str], None],
    ) -> None:
        self._button, self._parent, self._start = button, parent, start
        self._beforeStart, self._onProgress, self._onEnded = beforeStart, onProgress, onEnded
        self._path = Path()
        self._message = ""
        self._monitor: RunMonitor[SelfTest] = RunMonitor(self._showProgress, self._onFinished, self._end)
        button.connect("clicked()", self._onClicked)

    @property
    def isActive(self) -> bool:
        """Whether a self-test is under way."""
        return self._monitor.isActive

    def update(self, isBlocked: bool) -> None:
        """Shows what the button does now.

        Args:
            isBlocked: whether a run is under way, so that no self-test can start.
        """
        self._button.text = _("Cancel self-test") if self.isActive else _("Self-test...")
        self._button.enabled = not self._monitor.isCancelled if self.isActive else not isBlocked

    def drop(self) -> None:
        """Takes the nodes of a self-test out of the scene at once, and writes no report."""
        test = self._monitor.run
        if test is not None:
            self._monitor.stop()
            test.drop()
            self._end()

    def _onClicked(self) -> None:
        test = self._monitor.run
        if test is not None:
            self._monitor.cancel()
            self._showProgress(test)
            return
        with slicer.util.tryWithErrorDisplay(_("The self-test could not be started.")):
            path = qt.QFileDialog.getSaveFileName(
                self._parent, _("Save the report of the self-test"), str(reportPath()), "Markdown (*.md)"
            )
            if path:
                self._path = Path(path) if Path(path).suffix else Path(path).with_suffix(".md")
                self._beforeStart()
                test = self._start()
                self._monitor.watch(test)
                self._showProgress(test)

    def _showProgress(self, test: SelfTest) -> None:
        self._onProgress(test.progress)

    def _onFinished(self, test: SelfTest) -> None:
        if test.isCancelled:
            self._message = _("Self-test canceled; the scene is as it was.")
            return
        self._message = _("Self-test: {summary}. The report was not written.").format(summary=test.report.summary)
        with slicer.util.tryWithErrorDisplay(_("The report could not be written.")):
            test.report.write(self._path)
            self._message = _(
                "Self-test: {summary}. The report is in {path}. It holds no patient data; "
                "you can send it to the TumorGen developers."
            ).format(summary=test.report.summary, path=self._path)

    def _end(self) -> None:
        message, self._message = self._message, ""
        self._onEnded(message)
