"""The module's own test, which Slicer runs."""

import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

from TumorGenSlicerLib.panel.module_logic import TumorGenSlicerLogic
from TumorGenSlicerLib.run.packages import DependencyError, checkPackages, missingPackages
from TumorGenSlicerLib.run.self_test import runSelfTest

__all__ = ["TumorGenSlicerTest"]


class TumorGenSlicerTest(ScriptedLoadableModuleTest):
    """Runs the self-test with few steps, in a coarse phantom, with the shipped model.

    It installs nothing. On a Slicer without the packages, as that of the dashboard, it is skipped.
    """

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        self.setUp()
        self.test_selfTest()

    def test_selfTest(self) -> None:
        """No step of the self-test fails."""
        try:
            checkPackages()
        except DependencyError as error:
            self.skipTest(str(error))
        if missing := missingPackages():
            self.skipTest(f"Not installed: {', '.join(missing)}.")
        self.delayDisplay("Running the self-test")
        logic = TumorGenSlicerLogic()
        quick = {"spacingMm": (8.0, 8.0, 8.0), "boxMm": 25.0, "steps": 2}
        test = logic.startSelfTest(onStep=lambda step: print(step.line), **quick)
        failed = runSelfTest(test).failed
        logic.shutdown()
        self.assertEqual(failed, [])
        self.delayDisplay("Test passed")
