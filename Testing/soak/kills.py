"""Kills the command line at random moments, resumes it, and checks what is there each time.

The moments are spread over the length of an undisturbed run. Every second one is in a writing phase: a temporary file
is there.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
import traceback
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from checks import cohort_faults, finished_training_faults, insertion_faults, temporary, training_faults
from commands import Inputs
from processes import Process
from training_runs import GENERATOR_STEPS, STEPS

__all__ = ["PLAN", "Job", "Tally", "kill_some"]

#: What a shell reports for each signal; a negative status is the same signal before the program has its handlers.
_STATUS = {signal.SIGKILL: (-9,), signal.SIGTERM: (143, -15), signal.SIGINT: (130, -2)}
#: Signals and how often each comes.
_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGTERM, signal.SIGINT)
#: Most kills of one run before it may end.
_CHAIN = 5


@dataclass(frozen=True)
class Job:
    """Some kills of one command.

    Args:
        kind: name of the command in ``Inputs``.
        kills: number of kills.
        cold: whether each process starts a new interpreter.
    """

    kind: str
    kills: int
    cold: bool


#: All kills of the soak: 200.
PLAN = (
    Job("synthesize", 60, False), Job("synthesize", 20, True), Job("insert", 48, False), Job("insert", 12, True),
    Job("insert_seg", 20, False), Job("train", 24, False), Job("train", 6, True), Job("train_generator", 10, False),
)  # fmt: skip
#: About how many temporary files an undisturbed run writes.
_WRITES = {"synthesize": 25, "insert": 7, "insert_seg": 5, "train": 16, "train_generator": 8}


@dataclass
class Tally:
    """What came of the kills.

    Args:
        kills: number by signal.
        writing: kills while a temporary file was there.
        early: kills before the program had its handlers of signals.
        resumed: runs that went on after kills and ended.
        faults: all that was wrong.
    """

    kills: Counter[str] = field(default_factory=Counter)
    writing: int = 0
    early: int = 0
    resumed: int = 0
    faults: list[str] = field(default_factory=list)


def kill_some(job: Job, inputs: Inputs, wholes: Path, folder: Path, seed: int) -> Tally:
    """Kills a command as often as the job says, and resumes it to its end.

    Args:
        job: the job.
        inputs: inputs of the commands.
        wholes: folder with the outputs of an undisturbed run of each kind, ``KIND``, and of ``insert`` with another
            seed, ``KIND-before``.
        folder: folder to work in; created and removed.
        seed: of the moments.
    """
    folder.mkdir(parents=True)
    chain = {"synthesize": _Synthesis, "insert": _Insertion, "insert_seg": _Insertion}.get(job.kind, _Training)
    rng, tally = random.Random(f"{job.kind} {job.cold} {seed}"), Tally()
    seconds = _undisturbed_seconds(job, inputs, wholes, folder)
    run = 0
    while sum(tally.kills.values()) < job.kills:
        run += 1
        left = job.kills - sum(tally.kills.values())
        try:
            chain(job, inputs, wholes, folder / str(run), rng, tally, seconds).go(min(left, _CHAIN))
        except Exception:
            tally.faults.append(f"{job.kind}: {traceback.format_exc()}")
            break
    shutil.rmtree(folder)
    print(job, tally, flush=True)
    return tally


def _undisturbed_seconds(job: Job, inputs: Inputs, wholes: Path, folder: Path) -> float:
    output = folder / "0"
    if job.kind.startswith("insert"):
        output.mkdir()
    process = Process(getattr(inputs, job.kind)(output), folder / "0.txt", job.cold)
    process.end()
    return time.monotonic() - process.begun


class _Chain:
    """One run that is killed several times, and then goes on to its end."""

    #: Status of a run that is not killed.
    done = 0
    #: Whether a resumed run keeps what the killed one has made.
    keeps = True

    def __init__(
        self, job: Job, inputs: Inputs, wholes: Path, output: Path, rng: random.Random, tally: Tally, seconds: float
    ) -> None:
        self.job, self.inputs, self.output, self.rng, self.tally = job, inputs, output, rng, tally
        self.whole, self.before = wholes / job.kind, wholes / f"{job.kind}-before"
        self.seconds, self.writes = seconds, 0
        self.command: list[str] = getattr(inputs, job.kind)(output)

    def go(self, kills: int) -> None:
        self.prepare()
        for _ in range(kills):
            if not self.kill():
                break  # It had ended before.
        process = self.start()
        status = process.end()
        self.note("the resumed run", process, status, (self.done,), self.end_faults())
        self.tally.resumed += 1
        shutil.rmtree(self.output)

    def prepare(self) -> None:
        """Makes what is there before the run."""

    def start(self) -> Process:
        return Process(self.resumed(), self.output.with_suffix(".txt"), self.job.cold)

    def resumed(self) -> list[str]:
        return [*self.command, "--resume"]

    def kill(self) -> bool:
        """Starts the command and kills it; returns whether it was killed before its end."""
        number = self.rng.choice(_SIGNALS)
        in_writing, moment = self.rng.random() < 0.5, self.rng.random()
        left, before = _written(self.output), temporary(self.output)
        share = max(0.2, 1 - self.writes / _WRITES[self.job.kind])  # of the work that is left
        process = self.start()
        if in_writing:
            writes = self.rng.randint(1, round(share * _WRITES[self.job.kind]))
            self.writes += _wait_for_writes(process, self.output, writes) * self.keeps
            time.sleep(self.rng.random() * 0.006)
        else:
            _sleep_until(process, process.begun + moment * share * self.seconds)
            self.writes += int(moment * share * _WRITES[self.job.kind]) * self.keeps
        writing = bool(_written(self.output) - left)
        if not process.send(number):
            self.note("an undisturbed run", process, process.end(), (self.done,), self.end_faults())
            return False
        status = process.end()
        if status == self.done:  # The signal came at its very end.
            self.note("a run at its end", process, status, (self.done,), self.end_faults())
            return False
        name = signal.Signals(number).name
        self.tally.kills[name] += 1
        self.tally.writing += writing
        self.tally.early += status < 0 and number != signal.SIGKILL
        what = f"{name} {'in writing' if in_writing else f'at {moment:.0%}'}"
        self.note(what, process, status, _STATUS[number], self.kill_faults(number == signal.SIGKILL, before))
        return True

    def note(self, what: str, process: Process, status: int, expected: tuple[int, ...], faults: list[str]) -> None:
        said = process.said()
        if status not in expected:
            faults = [f"status {status}, expected {expected[0]}", *faults]
        if status >= 0 and ("Traceback" in said or "bug in TumorGen" in said):
            faults = ["a traceback or a bug", *faults]
        if faults:
            faults.append(said[-600:])
        self.tally.faults += [f"{self.job.kind}, {what}: {fault}" for fault in faults]

    def kill_faults(self, killed: bool, before: list[str]) -> list[str]:
        raise NotImplementedError

    def end_faults(self) -> list[str]:
        raise NotImplementedError


class _Synthesis(_Chain):
    done = 3  # The manifest has a damaged scan.

    def kill_faults(self, killed: bool, before: list[str]) -> list[str]:
        return cohort_faults(self.output, self.whole, killed=killed, before=before) if self.output.exists() else []

    def end_faults(self) -> list[str]:
        return cohort_faults(self.output, self.whole, ended=True)


class _Insertion(_Chain):
    """Half of the runs replace the outputs of another run. ``insert`` has no --resume: it makes all again."""

    keeps = killed = False

    def prepare(self) -> None:
        self.output.mkdir()
        if self.rng.random() < 0.5:
            shutil.copytree(self.before, self.output, dirs_exist_ok=True)
        else:
            self.before = self.output.with_suffix(".empty")
            self.before.mkdir()

    def resumed(self) -> list[str]:
        return self.command

    def kill_faults(self, killed: bool, before: list[str]) -> list[str]:
        self.killed |= killed  # What a kill left stays until a run ends.
        return insertion_faults(self.output, [self.before, self.whole], killed=self.killed)

    def end_faults(self) -> list[str]:
        for path in self.output.glob(".*"):  # No later run can know whose they are: docs/soak.md.
            path.unlink()
        return insertion_faults(self.output, [self.whole], ended=True)


class _Training(_Chain):
    @property
    def weights(self) -> str:
        return "autoencoder.safetensors" if self.job.kind == "train" else "made/models/vector_field.safetensors"

    def kill_faults(self, killed: bool, before: list[str]) -> list[str]:
        return training_faults(self.output, self.weights, self.whole) if self.output.exists() else []

    def end_faults(self) -> list[str]:
        steps = STEPS if self.job.kind == "train" else GENERATOR_STEPS
        return finished_training_faults(self.output, self.weights, self.whole, steps)


def _written(folder: Path) -> set[str]:
    """Names of the temporary files and half checkpoints that are in a folder."""
    names: set[str] = set()
    for place in (folder, folder / "checkpoints", folder / "cache", folder / "pictures"):
        with suppress(OSError), os.scandir(place) as entries:
            names |= {e.name for e in entries if e.name.startswith(".") and e.name != ".tumorgen-run"}
    return names


def _wait_for_writes(process: Process, folder: Path, count: int) -> int:
    """Waits until so many temporary files have been seen, or the process ends; returns how many were."""
    left, seen = _written(folder), set[str]()
    while process.poll() is None and len(seen) < count:
        seen |= _written(folder) - left
        time.sleep(0.0003)
    return len(seen)


def _sleep_until(process: Process, moment: float) -> None:
    while time.monotonic() < moment and process.poll() is None:
        time.sleep(0.002)
