"""The self-test of the headless script: runs it and writes its report."""

from __future__ import annotations

import argparse

from TumorGenCore.console.report import Report
from TumorGenCore.errors import TumorGenError
from TumorGenSlicerLib.headless.outputs import checkFolder, checkJson
from TumorGenSlicerLib.headless.scene import requireScene
from TumorGenSlicerLib.run.self_test import SelfTest, runSelfTest

__all__ = ["selfTest"]


def selfTest(options: argparse.Namespace, report: Report) -> None:
    """Runs the self-test and writes its report to ``options.self_test``; its folder is made if there is none.

    Args:
        options: parsed options of the script.
        report: gets the result of each step as a line, and the report as values.

    Raises:
        TumorGenError: a step failed; the report is written all the same.
        OSError: the report cannot be written.
    """
    path = options.self_test.resolve()
    checkJson(options, [path])
    checkFolder(path.parent, path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give a file for the report.")
    requireScene()
    test = SelfTest(device=options.device, onStep=lambda step: report.say(step.line))
    result = runSelfTest(test, lambda progress: report.progress(progress.stepsDone, progress.stepsInAll, progress.text))
    result.write(path)
    report.values = {**result.values(), "report": str(path)}
    if result.failed:
        names = ", ".join(step.name for step in result.failed)
        raise TumorGenError(f"The self-test failed at: {names}. Send {path} to the TumorGen developers.")
    report.say(f"Self-test: {result.summary}. You can send {path} to the TumorGen developers.")
