"""The output of a command for the user."""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any, TextIO

from TumorGenCore.interrupts import StopRequest
from TumorGenCore.volumes.safe_write import replacing

__all__ = ["Report"]

_WIDTH = 78


class Report:
    """Prints lines on stdout and warnings and errors on stderr, or one JSON object on stdout for machines.

    The object holds ``values``, the warnings and, if the command failed, the error.

    Args:
        program: program name at the start of an error line.
        quiet: print only warnings and errors.
        as_json: print the object and no lines.
        interrupted: request of the user to stop.
        plain_progress: without a terminal, show the progress as lines on stdout: one at each tenth of the steps.
    """

    def __init__(
        self, program: str, quiet: bool, as_json: bool, interrupted: StopRequest, plain_progress: bool = False
    ) -> None:
        self.program, self.quiet, self.as_json, self.interrupted = program, quiet, as_json, interrupted
        self.plain_progress = plain_progress
        #: File that gets the object at the end, beside the printed lines; None writes none.
        self.json_file: Path | None = None
        self.values: dict[str, Any] = {}
        #: Exit status of a command that ends without an error.
        self.status = 0
        #: Why the output cannot be written; None if it can, or if nobody reads it.
        self.output_error: OSError | None = None
        self._warnings: list[str] = []
        self._shows_line = False
        self._tenths_shown = -1

    @property
    def shows_progress(self) -> bool:
        """Whether the user sees the progress of the work."""
        return not self.quiet and not self.as_json

    def say(self, line: str) -> None:
        """Prints a line of the result."""
        if self.shows_progress:
            self._clear_line()
            self._print(line, sys.stdout)

    def tell(self, line: str) -> None:
        """Prints a line about the progress; the work calls it between steps and can stop here."""
        self.interrupted.stop()
        self.say(line)

    def progress(self, done: int, steps: int, doing: str) -> None:
        """Shows the progress, on one line of a terminal if there is one; like at ``tell``, the work can stop here."""
        self.interrupted.stop()
        if not self.shows_progress:
            return
        text, tenths = f"{doing}, {done} of {steps} steps"[:_WIDTH], 10 * done // max(steps, 1)
        if sys.stderr.isatty():
            self._print(f"\r{text:<{_WIDTH}}", sys.stderr, end="")
            self._shows_line = True
        elif self.plain_progress and tenths != self._tenths_shown:
            self._print(text, sys.stdout)
            self._tenths_shown = tenths

    def warn(self, line: str) -> None:
        """Prints a warning, but the same line only once."""
        if line in self._warnings:
            return
        self._warnings.append(line)
        if not self.as_json:
            self._clear_line()
            self._print(f"Warning: {line}", sys.stderr)

    def trace(self, failure: BaseException) -> None:
        """Prints the traceback of an error."""
        self._clear_line()
        self._print("".join(traceback.format_exception(failure)), sys.stderr, end="")

    def fail(self, text: str) -> None:
        """Prints one line that says why the command failed."""
        line = " ".join(text.split())
        self._clear_line()
        if not self.as_json:
            self._print(f"{self.program}: {line}", sys.stderr)
        self._give_object(error=line)

    def finish(self) -> None:
        """Ends the report of a command that succeeded."""
        self._clear_line()
        self._give_object()

    def _give_object(self, **more: str) -> None:
        """Prints the object or writes its file, if the user asked for one of them."""
        text = json.dumps({**self.values, **more, "warnings": self._warnings})
        if self.as_json:
            self._print(text, sys.stdout)
        elif self.json_file is not None:
            try:
                with replacing(self.json_file) as temporary:
                    temporary.write_text(text + "\n", encoding="utf-8")
            except OSError as error:
                self.output_error = error

    def _clear_line(self) -> None:
        if self._shows_line:
            self._print("\r" + " " * _WIDTH, sys.stderr, end="\r")
            self._shows_line = False

    def _print(self, text: str, stream: TextIO, end: str = "\n") -> None:
        """Prints a text if somebody reads it; a reader that is gone must not cost a result."""
        try:
            encoding = getattr(stream, "encoding", None) or "utf-8"  # Slicer's streams have none.
            print(text.encode(encoding, "backslashreplace").decode(encoding), end=end, file=stream, flush=True)
        except BrokenPipeError:
            _silence(stream)
        except OSError as error:
            _silence(stream)
            if stream is sys.stdout:
                self.output_error = error


def _silence(stream: TextIO) -> None:
    """Sends the stream nowhere from now on, so that Python does not try once more to write what is left."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
