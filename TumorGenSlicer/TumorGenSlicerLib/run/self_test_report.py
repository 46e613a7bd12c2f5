"""The report of a self-test: the computer, its software, and the result of each step.

It holds no patient data, no folder, no user name and no host name: every text of it goes through ``scrubbed``.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import getpass
import importlib
import importlib.metadata
import json
import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import slicer

from TumorGenCore.bundle.folders import DEFAULT_BUNDLE, bundle_folder, read_metadata
from TumorGenCore.version import software_version

__all__ = [
    "FAILED",
    "PASSED",
    "SKIPPED",
    "SelfTestReport",
    "StepResult",
    "computerFacts",
    "networkFacts",
    "reportPath",
    "scrubbed",
]

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
#: Version of the report's JSON.
_FORMAT = 1
#: A path from its root to its last separator, without blanks; paths with blanks must be quoted or known.
_SEGMENT = r"[^\\/\s'\":*?<>|]+"
_FOLDERS = re.compile(rf"(?:<folder>|\b[A-Za-z]:|(?<![\w.\-<>/\\]))(?:[\\/]+{_SEGMENT})*[\\/]+(?=[^\s\\/])")
_QUOTED = re.compile(r"(['\"])(?:<folder>|[A-Za-z]:)?[\\/][^'\"\n]*[\\/]([^\\/'\"\n]+)\1")
_GIB = 2**30


@dataclass(frozen=True)
class StepResult:
    """Result of one step.

    Args:
        name: of the step.
        status: ``PASSED``, ``FAILED`` or ``SKIPPED``.
        seconds: that the step took.
        note: what was measured, why the step was skipped, or type and message of the error.
    """

    name: str
    status: str
    seconds: float
    note: str = ""

    @property
    def line(self) -> str:
        """The result for the console."""
        return f"{self.status}: {self.name}, {self.seconds:.1f} s{f'; {self.note}' if self.note else ''}"


@dataclass
class SelfTestReport:
    """Report of a self-test.

    Args:
        system: facts about computer and software, by their names.
        steps: results in the order in which the steps ran.
        seconds: that the whole self-test took.
    """

    system: dict[str, Any] = field(default_factory=dict)
    steps: list[StepResult] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> list[StepResult]:
        """Steps that failed."""
        return [step for step in self.steps if step.status == FAILED]

    @property
    def summary(self) -> str:
        """Number of steps with each status."""
        statuses = [step.status for step in self.steps]
        return ", ".join(f"{statuses.count(status)} {status}" for status in (PASSED, FAILED, SKIPPED))

    def values(self) -> dict[str, Any]:
        """The report as plain values, scrubbed."""
        values: dict[str, Any] = _scrubbedValues(
            {
                "format": _FORMAT,
                "date": time.strftime("%Y-%m-%d"),
                "summary": self.summary,
                "seconds": round(self.seconds, 1),
                "system": self.system,
                "steps": [{**asdict(step), "seconds": round(step.seconds, 2)} for step in self.steps],
            }
        )
        return values

    def markdown(self) -> str:
        """The report as Markdown: tables for people, and the same as JSON."""
        values = self.values()
        lines = [
            "# TumorGen self-test",
            "",
            f"{values['date']}: {values['summary']}, {values['seconds']:.0f} s in all.",
            "",
            "The self-test used a digital phantom only. This file holds no patient data, no folder names, and no names "
            "of users or computers. You can send it to the TumorGen developers.",
            "",
            "| step | result | seconds | note |",
            "| --- | --- | --- | --- |",
            *(
                f"| {step['name']} | {_marked(step['status'])} | {step['seconds']:.1f} | {_cell(step['note'])} |"
                for step in values["steps"]
            ),
            "",
            "## Computer and software",
            "",
            "| | |",
            "| --- | --- |",
            *(f"| {name} | {_cell(value)} |" for name, value in values["system"].items()),
            "",
            "## The same for machines",
            "",
            "```json",
            json.dumps(values, indent=1),
            "```",
            "",
        ]
        return "\n".join(lines)

    def write(self, path: Path) -> None:
        """Writes the report as Markdown, and makes its folder if there is none."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.markdown(), encoding="utf-8")


def reportPath() -> Path:
    """Path of a new report in Slicer's folder for documents, or in the home folder without the application."""
    folder = Path(getattr(getattr(slicer, "app", None), "defaultScenePath", "") or Path.home())
    return folder / f"TumorGen-self-test-{time.strftime('%Y%m%d-%H%M%S')}.md"


def scrubbed(text: str) -> str:
    """Returns a text without folders, user name and host name; names of files stay."""
    for folder in _knownFolders():
        text = re.sub(re.escape(folder), "<folder>", text, flags=re.IGNORECASE)
    text = _QUOTED.sub(r"\1<folder>/\2\1", text)
    text = _FOLDERS.sub("<folder>/", text)
    for name, shown in _privateNames():
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", shown, text, flags=re.IGNORECASE)
    return text


def computerFacts() -> dict[str, Any]:
    """Facts that need no network packages; quick. An unknown fact says why."""
    return _facts(
        {
            "TumorGen": software_version,
            "model": lambda: f"{DEFAULT_BUNDLE} {read_metadata(bundle_folder(DEFAULT_BUNDLE))[0]['version']}",
            "Slicer": _slicerVersion,
            "operating system": platform.platform,
            "processor": _processorName,
            "processor cores": os.cpu_count,
            "memory, GiB": _memoryGib,
            "Python": platform.python_version,
            "Qt": _qtVersion,
            "VTK": lambda: sys.modules["vtk"].vtkVersion.GetVTKVersion(),
            "numpy": lambda: sys.modules["numpy"].__version__,
            "SimpleITK": lambda: sys.modules["SimpleITK"].Version.VersionString(),
        }
    )


def networkFacts(names: list[str]) -> dict[str, Any]:
    """Imports packages that the networks need, which takes seconds the first time; for the worker's thread.

    Args:
        names: of the packages; a package that cannot be imported raises.

    Returns:
        Versions of the packages, and what torch finds to compute on.
    """
    modules: dict[str, Any] = {name: importlib.import_module(name) for name in names}
    facts: dict[str, Callable[[], Any]] = {
        name: functools.partial(_version, name, module) for name, module in modules.items()
    }
    torch = modules.get("torch")
    if torch is not None:
        facts["graphics card"] = functools.partial(_graphicsCard, torch)
        facts["torch threads"] = torch.get_num_threads
    return _facts(facts)


def _facts(finders: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    found = {}
    for name, find in finders.items():
        try:
            found[name] = find()
        except Exception as error:  # A fact that is missing must not stop the self-test.
            found[name] = f"not known ({type(error).__name__}: {error})"
    return found


def _version(name: str, module: Any) -> str | None:
    return getattr(module, "__version__", None) or importlib.metadata.version(name)


def _slicerVersion() -> str:
    app = getattr(slicer, "app", None)
    version, revision = (getattr(app, name, None) for name in ("applicationVersion", "repositoryRevision"))
    if isinstance(version, str):
        return f"{version} ({revision})" if isinstance(revision, str) and revision else version
    return f"slicer-core {importlib.metadata.version('slicer-core')}, without the application"


def _qtVersion() -> str:
    # Not imported: plain Python has none, and whoever shows a window has loaded it.
    qt = sys.modules.get("qt")
    return str(qt.qVersion()) if qt is not None and hasattr(qt, "qVersion") else "none"


def _processorName() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text(encoding="utf-8", errors="replace"))
        if found:
            return found.group(1).strip()
    return platform.processor() or platform.machine()


def _memoryGib() -> float:
    if hasattr(os, "sysconf"):
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB, 1)

    class MemoryStatus(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *(
                (name, ctypes.c_ulonglong)
                for name in ("total", "free", "pages", "freePages", "space", "freeSpace", "x")
            ),
        )

    status = MemoryStatus()
    status.length = ctypes.sizeof(status)
    getattr(ctypes, "windll").kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # noqa: B009  Only Windows has it.
    return round(status.total / _GIB, 1)


def _graphicsCard(torch: Any) -> str:
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name(0)} (CUDA {torch.version.cuda})"
    mps = getattr(torch.backends, "mps", None)
    return "Apple graphics (MPS)" if mps is not None and mps.is_available() else "none that torch can use"


def _knownFolders() -> list[str]:
    """Folders that error messages may name and that may contain blanks, the longest first, as they may be written."""
    folders = {tempfile.gettempdir(), str(Path(__file__).resolve().parents[3]), sys.prefix}
    for find in (Path.home, lambda: slicer.app.temporaryPath, lambda: slicer.app.slicerHome):
        try:
            folders.add(str(find()))
        except (RuntimeError, AttributeError):
            continue
    written = {form for folder in folders for form in (folder, folder.replace("\\", "\\\\"), folder.replace("\\", "/"))}
    return sorted((form for form in written if len(form) > 3), key=len, reverse=True)


def _privateNames() -> list[tuple[str, str]]:
    """Names to hide and what is shown instead, the longest first: one may be a part of another."""
    names = {name: "<computer>" for name in (platform.node(), platform.node().partition(".")[0]) if name}
    with contextlib.suppress(OSError, KeyError, ImportError):  # There is no name to hide.
        names[getpass.getuser()] = "<user>"
    return sorted(names.items(), key=lambda pair: -len(pair[0]))


def _scrubbedValues(value: Any) -> Any:
    if isinstance(value, str):
        return scrubbed(value)
    if isinstance(value, dict):
        return {key: _scrubbedValues(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_scrubbedValues(item) for item in value]
    return value


def _marked(status: str) -> str:
    return f"**{status}**" if status == FAILED else status


def _cell(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")
