"""A process of its own for work that may crash, hang or take all memory."""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

__all__ = ["Answer", "Child"]

#: Limit on the addresses of a process. Work that needs more gets a MemoryError.
_MOST_ADDRESSES = 6 << 30


@dataclass(frozen=True)
class Answer:
    """What came of a question.

    Args:
        status: "answered", "died" or "stuck".
        value: what the function returned; for a process that died, its exit status.
    """

    status: str
    value: Any = None


class Child:
    """Calls one function in a process of its own, which starts again after it died or was stuck.

    Args:
        function: of a module that the process can import.
        prepare: what the process does first; this does not count as time of a question.
        cpu_s: longest time of the processor for one question. Other work on the machine does not count.
        wall_s: longest time by the clock, for a process that waits for something for ever.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        prepare: Callable[[], None] | None = None,
        cpu_s: float = 10.0,
        wall_s: float = 120.0,
    ) -> None:
        self._function, self._prepare = function, prepare
        self._cpu_s, self._wall_s = cpu_s, wall_s
        self._process: Any = None
        self._pipe: Connection | None = None

    def ask(self, *arguments: Any) -> Answer:
        """Calls the function. An exception that it raises ends the process."""
        if self._process is None:
            self._start()
        assert self._pipe is not None
        self._pipe.send(arguments)
        begun, cpu = time.monotonic(), self._cpu()
        while True:
            try:
                if self._pipe.poll(0.2):
                    return Answer("answered", self._pipe.recv())
            except (EOFError, OSError):
                self._process.join()
                status = self._process.exitcode
                self.close()
                return Answer("died", status)
            if self._cpu() - cpu > self._cpu_s or time.monotonic() - begun > self._wall_s:
                self.close()
                return Answer("stuck")

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._function, self._prepare), daemon=True)
        self._process.start()
        theirs.close()
        assert self._pipe.recv() == "ready"

    def _cpu(self) -> float:
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just died
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _serve(pipe: Connection, function: Callable[..., Any], prepare: Callable[[], None] | None) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_ADDRESSES, _MOST_ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - ITK and pydicom print there
    os.dup2(sys.stderr.fileno(), 2)
    if prepare is not None:
        prepare()
    pipe.send("ready")
    while True:
        try:
            arguments = pipe.recv()
        except EOFError:
            return
        pipe.send(function(*arguments))
