"""What the user sees of a command."""

from __future__ import annotations

import json
import sys
from typing import Any

from TumorGenCore.interrupts import StopRequest

__all__ = ["Report"]

_WIDTH = 78


class Report:
    """Lines on stdout, warnings and errors on stderr; or one JSON object on stdout for machines.

    ``values`` are what the object holds, beside its warnings.

    Args:
        program: the name that begins an error's line.
        quiet: nothing but warnings and errors.
        as_json: the object, and no lines.
        interrupted: whether the user has asked to stop.
    """

    def __init__(self, program: str, quiet: bool, as_json: bool, interrupted: StopRequest) -> None:
        self.program, self.quiet, self.as_json, self.interrupted = program, quiet, as_json, interrupted
        self.values: dict[str, Any] = {}
        self._warnings: list[str] = []
        self._shows_line = False

    @property
    def shows_progress(self) -> bool:
        """Whether the user sees how far the work is."""
        return not self.quiet and not self.as_json

    def say(self, line: str) -> None:
        """A line of the result."""
        if self.shows_progress:
            self._clear_line()
            print(line, flush=True)

    def tell(self, line: str) -> None:
        """Say how far the work is; between its steps, hence where it can stop."""
        self.interrupted.stop()
        self.say(line)

    def progress(self, done: int, steps: int, doing: str) -> None:
        """Show how far the work is on one line of a terminal; as ``tell``, it is where the work can stop."""
        self.interrupted.stop()
        if self.shows_progress and sys.stderr.isatty():
            text = f"{doing}, {done} of {steps} steps in all"[:_WIDTH]
            print(f"\r{text:<{_WIDTH}}", end="", file=sys.stderr, flush=True)
            self._shows_line = True

    def warn(self, line: str) -> None:
        """Warn; of the same thing once."""
        if line in self._warnings:
            return
        self._warnings.append(line)
        if not self.as_json:
            self._clear_line()
            print(f"Warning: {line}", file=sys.stderr, flush=True)

    def fail(self, text: str) -> None:
        """Say in one line why the command failed."""
        line = " ".join(text.split())
        self._clear_line()
        if self.as_json:
            self._print_object(error=line)
        else:
            print(f"{self.program}: {line}", file=sys.stderr, flush=True)

    def finish(self) -> None:
        """End a command that did what it should."""
        self._clear_line()
        if self.as_json:
            self._print_object()

    def _print_object(self, **more: str) -> None:
        print(json.dumps({**self.values, **more, "warnings": self._warnings}), flush=True)

    def _clear_line(self) -> None:
        if self._shows_line:
            print("\r" + " " * _WIDTH, end="\r", file=sys.stderr, flush=True)
            self._shows_line = False
