"""Full, small, read-only and vanishing disks: each ends with one named error, and --resume then completes the run.

The disks are tmpfs mounts in a mount namespace of its own, which needs no root and leaves nothing behind.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from checks import cohort_faults, finished_training_faults, insertion_faults, temporary, training_faults
from commands import Inputs
from processes import Process, load_libraries
from training_runs import STEPS

__all__ = ["try_disks"]

_WEIGHTS = "autoencoder.safetensors"
#: Lines that may come before the one with the error: warnings, and what the C library for NIfTI prints of its own.
_MORE = ("Warning: ", "** ERROR: N")
#: Status of each command when nothing is in its way; the manifest of ``synthesize`` has a damaged scan.
_DONE = {"synthesize": 3, "insert": 0, "train": 0, "phantom": 0}


def try_disks(inputs: Inputs, folder: Path) -> dict[str, Any]:
    """Tries all disks in a process with mounts of its own, and returns numbers of trials and the faults.

    Where the system allows no such mounts, it says so and tries only the limits on the size of files.
    """
    folder.mkdir(parents=True)
    (folder / "inputs").write_bytes(pickle.dumps(inputs))
    own = ["unshare", "--map-root-user", "--mount"]
    mounts = shutil.which("unshare") is not None and subprocess.run([*own, "true"], check=False).returncode == 0
    command = [sys.executable, __file__, str(folder), "mounts" if mounts else ""]
    done = subprocess.run([*(own if mounts else []), *command], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found | {"mounts": mounts}


class _Trials:
    """The trials; ``counts`` and ``faults`` tell what came of them."""

    def __init__(self, inputs: Inputs, folder: Path) -> None:
        self.inputs, self.folder, self.wholes = inputs, folder, folder / "wholes"
        self.disk = folder / "disk"
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self.rng = random.Random(1)
        self.errors = folder / "errors.txt"
        self.wholes.mkdir()
        self.disk.mkdir()
        self.empty = folder / "empty"
        self.empty.mkdir()
        for kind in ("synthesize", "insert", "train", "phantom"):
            output = self.wholes / kind
            if kind in ("insert", "phantom"):
                output.mkdir(parents=True)
            if self.run(getattr(inputs, kind)(output)) != _DONE[kind]:
                raise RuntimeError(f"{kind} does not work: {self.errors.read_text()}")

    def run(self, command: list[str], limit: int | None = None, during: Callable[[Process], None] | None = None) -> int:
        """Runs a command to its end and returns its status; ``during`` is called once while it runs."""
        process = Process(command, self.errors, cold=False, limit=limit)
        if during is not None:
            during(process)
        return process.end()

    def note(self, what: str, status: int, faults: list[str], expected: int = 1) -> None:
        """Counts a trial; a status of 1 needs one line that names the trouble."""
        self.counts[what] += 1
        said = [line for line in self.errors.read_text().splitlines() if not line.startswith(_MORE)]
        if status != expected:
            faults = [f"status {status}, expected {expected}", *faults]
        if status == 1 and (len(said) != 1 or not said[0].startswith("tumorgen: ") or "bug in TumorGen" in said[0]):
            faults = ["no named error", *faults]
        if "Traceback" in "".join(said):
            faults = ["a traceback", *faults]
        if faults:
            self.faults += [f"{what}: {fault}" for fault in [*faults, *said[-3:]]]
            print(what, *faults, *said[-3:], sep="\n  ", file=sys.stderr, flush=True)

    def check(self, kind: str, output: Path, ended: bool = False) -> list[str]:
        """Faults in an output folder after a failure, or at the end."""
        whole = self.wholes / kind
        if not output.exists() and not ended:
            return []
        if kind == "synthesize":
            return cohort_faults(output, whole, ended=ended)
        if kind == "train":
            if ended:
                return finished_training_faults(output, _WEIGHTS, whole, STEPS)
            return training_faults(output, _WEIGHTS, whole) + [f"{name} was left" for name in temporary(output)]
        return insertion_faults(output, [self.empty, whole], ended=ended)

    def begin(self, kind: str, place: Path) -> tuple[Path, list[str]]:
        """Returns an output folder in a place, empty where the command needs one, and the command."""
        output = place / "out"
        shutil.rmtree(output, ignore_errors=True)
        if kind in ("insert", "phantom"):
            output.mkdir()
        return output, getattr(self.inputs, kind)(output)

    def go_on(self, what: str, kind: str, output: Path, command: list[str]) -> None:
        """Ends the run, now that there is space."""
        if kind in ("insert", "phantom"):
            output.mkdir(exist_ok=True)
        status = self.run([*command, *(["--resume"] if kind in ("synthesize", "train") else [])])
        faults = self.check(kind, output, ended=True)
        self.note(f"{what}, then with space", status, faults, expected=_DONE[kind])

    # The trials

    def small_disk(self, kind: str, size: int) -> None:
        """The disk is too small from the start."""
        self.mount(size)
        output, command = self.begin(kind, self.disk)
        status = self.run(command)
        self.note(f"{kind} on a small disk", status, self.check(kind, output))
        self.remount("size=200m")
        self.go_on(f"{kind} on a small disk", kind, output, command)
        self.unmount()

    def filled_disk(self, kind: str) -> None:
        """Another program fills the disk while the command writes."""
        self.mount(200_000_000)
        output, command = self.begin(kind, self.disk)
        files, left = self.rng.randint(1, 20), self.rng.randint(0, 150_000)

        def fill(process: Process) -> None:
            _wait_for_files(process, output, files)
            with (self.disk / "filler").open("wb") as file:
                _fill(file.fileno(), left)

        status = self.run(command, during=fill)
        (self.disk / "filler").unlink()
        if status == _DONE[kind]:  # It was too quick, or needed no more than what was left.
            self.unmount()
            return
        self.note(f"{kind} on a disk that gets full", status, self.check(kind, output))
        self.go_on(f"{kind} on a disk that gets full", kind, output, command)
        self.unmount()

    def limited(self, kind: str, limit: int) -> None:
        """Files cannot grow past a limit, as with some quotas."""
        output, command = self.begin(kind, self.folder)
        status = self.run(command, limit)
        self.note(f"{kind} with a limit on files", status, self.check(kind, output))
        self.go_on(f"{kind} with a limit on files", kind, output, command)
        shutil.rmtree(output)

    def read_only(self, kind: str) -> None:
        """The disk takes nothing."""
        self.mount(200_000_000)
        output, command = self.begin(kind, self.disk)
        self.remount("ro")
        status = self.run(command)
        self.note(f"{kind} on a read-only disk", status, self.check(kind, output))
        self.remount("rw")
        self.go_on(f"{kind} on a read-only disk", kind, output, command)
        self.unmount()

    def vanishing(self, kind: str) -> None:
        """Somebody deletes the output folder while the command works."""
        output, command = self.begin(kind, self.folder)

        def vanish(process: Process) -> None:
            _wait_for_files(process, output, self.rng.randint(1, 8) if kind != "insert" else 0)
            for _ in range(3):  # A file may come meanwhile.
                shutil.rmtree(output, ignore_errors=True)

        status = self.run(command, during=vanish)
        self.note(f"{kind} in a folder that vanishes", status, [f"{p.name} was made again" for p in output.glob("*")])
        shutil.rmtree(output, ignore_errors=True)

    def mount(self, size: int) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(self.disk)], check=True)

    def remount(self, option: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{option}", str(self.disk)], check=True)

    def unmount(self) -> None:
        subprocess.run(["umount", str(self.disk)], check=True)


def _wait_for_files(process: Process, folder: Path, count: int) -> None:
    """Waits until a folder holds so many files at any depth, or the process ends."""
    # ``os.walk`` passes over folders that vanish meanwhile.
    while process.poll() is None and not (folder.exists() and sum(len(w[2]) for w in os.walk(folder)) >= count):
        time.sleep(0.001)


def _fill(file: int, left: int) -> None:
    """Makes a file so large that its disk has at most ``left`` bytes left, while others write to it."""
    while True:
        disk = os.fstatvfs(file)
        more = disk.f_bavail * disk.f_frsize - left
        if more <= 0:
            return
        with suppress(OSError):  # The other one was quicker.
            os.posix_fallocate(file, os.fstat(file).st_size, more)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _all_trials(trials: _Trials, mounts: bool) -> None:
    shares = {"synthesize": (0.1, 0.5, 0.85, 0.9, 0.93, 0.96), "insert": (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9),
              "train": (0.05, 0.3, 0.5, 0.8), "phantom": (0.2, 0.995)}  # fmt: skip
    if mounts:
        for kind, parts in shares.items():
            whole = _size(trials.wholes / kind)
            for part in parts:
                trials.small_disk(kind, int(part * whole))
            trials.read_only(kind)
        for kind, times in (("synthesize", 8), ("train", 4)):
            for _ in range(times):
                trials.filled_disk(kind)
    limits = {"synthesize": (100, 1000, 50_000, 110_000), "insert": (100, 1000, 60_000, 110_000),
              "train": (500, 20_000, 100_000), "phantom": (1_000_000,)}  # fmt: skip
    for kind, sizes in limits.items():
        for size in sizes:
            trials.limited(kind, size)
    for kind in ("synthesize", "synthesize", "insert", "train"):
        trials.vanishing(kind)


def _main(folder: Path, mounts: bool) -> None:
    load_libraries()
    trials = _Trials(pickle.loads((folder / "inputs").read_bytes()), folder)
    _all_trials(trials, mounts)
    print(json.dumps({"trials": trials.counts.total(), "counts": trials.counts, "faults": trials.faults}))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), bool(sys.argv[2]))
