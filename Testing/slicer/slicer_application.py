"""Stands for Slicer on a command line: ``python slicer_application.py --no-splash ... --python-script FILE ...``.

It reads its arguments, runs the script and ends as the application does, on Slicer's real scene. After
qSlicerCoreCommandOptions, qSlicerCommandOptions, qSlicerCoreApplication, ctkCommandLineParser, ctkAbstractPythonManager
and PythonQtStdOut. It differs in two ways: it swallows SystemExit, so that no test passes because of it, and where the
application would run on without a window, it ends with ``STILL_RUNNING``.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

__all__ = ["OPTIONS", "STILL_RUNNING"]

#: Exit status if the script did not end the application.
STILL_RUNNING = 99
_WITH_VALUE = "python-script python-code c additional-module-path additional-module-paths modules-to-ignore"
_WITHOUT_VALUE = """
help h testing ignore-slicerrc version program-path home settings-path temporary-path application-information
verbose-module-discovery disable-settings keep-temporary-settings disable-message-handlers disable-terminal-outputs
disable-python disable-modules disable-builtin-modules disable-cli-modules disable-builtin-cli-modules
disable-loadable-modules disable-builtin-loadable-modules disable-scripted-loadable-modules
disable-builtin-scripted-loadable-modules disable-tooltips no-splash no-main-window show-python-console
show-python-interactor qt-testing exit-after-startup
"""
#: Options that the application takes for itself, wherever they stand before ``--``, without their dashes.
OPTIONS = {*_WITH_VALUE.split(), *_WITHOUT_VALUE.split()}


class StandardStream:
    """PythonQtStdOutRedirect: no other methods, and no encoding."""

    def __init__(self, number: int) -> None:
        self.softspace = 0
        self.__number = number

    def write(self, text: str) -> None:
        os.write(self.__number, text.encode())

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False


class Application:
    """The part of ``slicer.app`` that a process without a main window can use."""

    def __init__(self, isTesting: bool) -> None:
        self._options = SimpleNamespace(runPythonAndExit=isTesting)
        self._isTesting = isTesting
        self.status: int | None = None

    def commandOptions(self) -> Any:
        return self._options

    def exit(self, status: int) -> None:
        self.status = status

    def processEvents(self) -> None:
        pass

    def testingEnabled(self) -> bool:
        return self._isTesting

    def topLevelWidgets(self) -> list[Any]:
        return []


def parsed(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Splits arguments into the application's own options and what is left for the script, in order."""
    own: dict[str, str] = {}
    left: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        name = argument.removeprefix("--") if argument.startswith("--") else argument.removeprefix("-")
        if argument == "--":
            left += waiting
        elif argument.startswith("-") and name in OPTIONS:
            own[name] = next(waiting) if name in _WITH_VALUE.split() else ""
        else:
            left.append(argument)
    return own, left


def execute(file: str) -> bool:
    """Runs a file in ``__main__`` as CTK does; returns whether an error was printed."""
    names = vars(sys.modules["__main__"])
    code = "\n".join(
        (
            "import sys",
            f"sys.path.insert(0, {os.path.abspath(os.path.dirname(file))!r})",  # noqa: PTH100, PTH120
            "_updated_globals = globals()",
            f"_updated_globals['__file__'] = {file!r}",
            f"exec(open({file!r}).read(), _updated_globals)",
        )
    )
    try:
        exec(code, names)
    except BaseException:
        traceback.print_exc()
        return True
    return False


def run(arguments: Sequence[str]) -> int:
    """Runs the application; returns its exit status."""
    own, left = parsed(arguments)
    if own.keys() & {"help", "h"}:
        print("Usage\n  Slicer [options]\n\nOptions\n  --help  Display available command line arguments.")
        return 0
    if "version" in own:
        print("Slicer 5.12.3")
        return 0
    import slicer
    from slicer_boot import boot

    boot()
    packaging = ModuleType("slicer.packaging")  # Slicer has it since 5.12, slicer-core has not.
    packaging.__spec__ = ModuleSpec(packaging.__name__, None)
    sys.modules[packaging.__name__] = packaging
    slicer.app = Application("testing" in own and "--" not in arguments)  # It looks no further if there is a "--".
    if hasattr(ctypes.CDLL(None), "signal"):
        ctypes.CDLL(None).signal(signal.SIGINT, 0)  # the default again, behind Python's back
    sys.stdout, sys.stderr = StandardStream(1), StandardStream(2)
    script = own.get("python-script", "")
    sys.argv = [script, *left]
    failed = False
    if Path(script).exists():
        failed = execute(script)
    else:
        print(f"Specified python script doesn't exist: {script}")
    if slicer.app.commandOptions().runPythonAndExit:
        slicer.app.exit(int(failed))
    return STILL_RUNNING if slicer.app.status is None else slicer.app.status


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
