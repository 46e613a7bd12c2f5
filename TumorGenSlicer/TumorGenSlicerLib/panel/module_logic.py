"""The module's logic: that of the library, with the scene's parameters and the self-test."""

from pathlib import Path
from typing import Any

from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from TumorGenSlicerLib.panel.parameters import Parameters
from TumorGenSlicerLib.run.logic import InsertionLogic
from TumorGenSlicerLib.run.self_test import SelfTest, runSelfTest
from TumorGenSlicerLib.run.self_test_report import reportPath

__all__ = ["TumorGenSlicerLogic"]


class TumorGenSlicerLogic(ScriptedLoadableModuleLogic, InsertionLogic):
    """Inserts tumors, for the panel and for the Python console.

    Example:
        >>> logic = TumorGenSlicerLogic()
        >>> volumeNode, segmentationNode = logic.insertTumor(petNode, roiNode, seed=7)
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)  # It calls InsertionLogic's through super().
        self._parameters: Any = None  # Slicer's decorator gives ``Parameters`` more than mypy knows.

    def getParameterNode(self) -> Any:
        """The scene's ``Parameters`` of this module; the same object as long as the scene keeps their node."""
        node = super().getParameterNode()
        if self._parameters is None or self._parameters.parameterNode is not node:
            self._parameters = Parameters(node)  # type: ignore[call-arg]
        return self._parameters

    def startSelfTest(self, **settings: Any) -> SelfTest:
        """Begins a self-test in Slicer's scene and returns at once; see ``SelfTest`` for the settings."""
        return SelfTest(**settings)

    def selfTest(self, path: str | Path | None = None, **settings: Any) -> str:
        """Runs the self-test, prints the result of each step, and writes a report. The scene is then as it was.

        Args:
            path: of the report, Markdown; None takes a new file in Slicer's folder for documents.
            settings: see ``SelfTest``.

        Returns:
            The path of the report.
        """
        path = Path(path or reportPath())
        report = runSelfTest(self.startSelfTest(onStep=lambda step: print(step.line), **settings))
        report.write(path)
        print(f"Self-test: {report.summary}. You can send the report to the TumorGen developers.")
        return str(path)
