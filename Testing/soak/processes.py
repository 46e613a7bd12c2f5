"""Starts the command line as a process that can be killed: from a cold start, or forked with its libraries loaded.

Most of the time of a cold start goes into imports. A forked process spends it on the work, where a kill does harm.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import forked_command
from commands import ENVIRONMENT, TOOL

__all__ = ["Process", "load_libraries"]


def load_libraries() -> None:
    """Loads what the commands import, so that forked processes have it."""
    forked_command.load_libraries(("accelerate", "highdicom", "TumorGenCore.volumes.dicom_seg"))


class Process:
    """A running command.

    Args:
        command: from ``Inputs``.
        errors: file for its stderr; its stdout is dropped.
        cold: start a new interpreter; else fork this process, which must have no other threads.
        limit: most bytes of a file, for a forked process; None for no limit.

    Attributes:
        pid: its number.
        begun: ``time.monotonic()`` at its start.
    """

    def __init__(self, command: list[str], errors: Path, cold: bool, limit: int | None = None) -> None:
        self._errors = errors
        self._popen: subprocess.Popen[bytes] | None = None
        self._status: int | None = None
        self.begun = time.monotonic()
        errors.write_bytes(b"")  # A process that is killed at once writes none.
        self._pipe = os.pipe() if limit is not None else None  # A limit on files would cut the file of errors, too.
        if cold:
            with errors.open("wb") as stream:
                self._popen = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=stream)
            self.pid = self._popen.pid
        else:
            self.pid = os.fork()
            if self.pid == 0:
                _be(command[len(TOOL) :], errors if self._pipe is None else Path(f"/dev/fd/{self._pipe[1]}"), limit)

    def send(self, number: int) -> bool:
        """Sends a signal; returns False if the process has ended before."""
        if self.poll() is not None:
            return False
        os.kill(self.pid, number)
        return True

    def poll(self) -> int | None:
        """Exit status, negative for a signal that killed the process; None while it runs."""
        if self._popen is not None:
            return self._popen.poll()
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def end(self, seconds: float = 600) -> int:
        """Waits for the end and returns the exit status; a process that takes longer is killed.

        Raises:
            TimeoutError: it took longer.
        """
        deadline = time.monotonic() + seconds
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                raise TimeoutError(f"{self.pid} hangs")
            time.sleep(0.002)
        if self._pipe is not None:
            os.close(self._pipe[1])
            with os.fdopen(self._pipe[0], "rb") as stream:
                self._errors.write_bytes(stream.read())
            self._pipe = None
        return status

    def said(self) -> str:
        """What it wrote to stderr so far."""
        return self._errors.read_text(errors="replace")


def _be(arguments: list[str], errors: Path, limit: int | None) -> None:
    """Becomes the command line in a forked process, and never returns."""
    for number, path in ((0, os.devnull), (1, os.devnull), (2, str(errors))):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, number)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    forked_command.become_command(arguments)
