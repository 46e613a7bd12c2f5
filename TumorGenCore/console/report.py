"""The output of a command for the user."""

from __future__ import annotations

import json
import sys
from typing import Any

from TumorGenCore.interrupts import StopRequest

__all__ = ["Report"]

_WIDTH = 78


class Report:
    """Prints lines on stdout and warnings and errors on stderr, or one JSON object on stdout for machines.

    The object holds ``values`` and the warnings.

    Args:
        program: program name at the start of an error line.
        quiet: print only warnings and errors.
        as_json: print the object and no lines.
        interrupted: request of the user to stop.
    """

    def __init__(self, program: str, quiet: bool, as_json: bool, interrupted: StopRequest) -> None:
        self.program, self.quiet, self.as_json, self.interrupted = program, quiet, as_json, interrupted
        self.values: dict[str, Any] = {}
        self._warnings: list[str] = []
        self._shows_line = False

    @property
    def shows_progress(self) -> bool:
        """Whether the user sees the progress of the work."""
        return not self.quiet and not self.as_json

    def say(self, line: str) -> None:
        """Prints a line of the result."""
        if self.shows_progress:
            self._clear_line()
            print(line, flush=True)

    def tell(self, line: str) -> None:
        """Prints a line about the progress; the work calls it between steps and can stop here."""
        self.interrupted.stop()
        self.say(line)

    def progress(self, done: int, steps: int, doing: str) -> None:
        """Shows the progress on one line of a terminal; like at ``tell``, the work can stop here."""
        self.interrupted.stop()
        if self.shows_progress and sys.stderr.isatty():
            text = f"{doing}, {done} of {steps} steps"[:_WIDTH]
            print(f"\r{text:<{_WIDTH}}", end="", file=sys.stderr, flush=True)
            self._shows_line = True

    def warn(self, line: str) -> None:
        """Prints a warning, but the same line only once."""
        if line in self._warnings:
            return
        self._warnings.append(line)
        if not self.as_json:
            self._clear_line()
            print(f"Warning: {line}", file=sys.stderr, flush=True)

    def fail(self, text: str) -> None:
        """Prints one line that says why the command failed."""
        line = " ".join(text.split())
        self._clear_line()
        if self.as_json:
            self._print_object(error=line)
        else:
            print(f"{self.program}: {line}", file=sys.stderr, flush=True)

    def finish(self) -> None:
        """Ends the report of a command that succeeded."""
        self._clear_line()
        if self.as_json:
            self._print_object()

    def _print_object(self, **more: str) -> None:
        print(json.dumps({**self.values, **more, "warnings": self._warnings}), flush=True)

    def _clear_line(self) -> None:
        if self._shows_line:
            print("\r" + " " * _WIDTH, end="\r", file=sys.stderr, flush=True)
            self._shows_line = False
