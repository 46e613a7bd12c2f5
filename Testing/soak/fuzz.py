"""Damages valid files of every kind, reads them in processes of their own, and counts how that ends: `make fuzz`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from children import Child
from damaged_inputs import Input, make_input
from exclusions import excluded
from good_inputs import SHARES, good_inputs
from judge import Opinion, second_opinion
from readers import Reading, prepare, read_input

from TumorGenCore.version import software_version

__all__ = ["FAULTS", "GOOD", "Verdict", "fuzz", "main", "names"]

GOOD = ("read", "warned", "refused")
FAULTS = ("crash", "hang", "memory", "unnamed", "silent")
#: Most memory that a small file may cost, MiB.
_MOST_MIB = 400.0


@dataclass(frozen=True)
class Verdict:
    """How an input ended.

    Args:
        name: name of the input.
        word: one of ``GOOD`` or ``FAULTS``.
        how: what was changed in the file.
        why: message of the error, or what differs.
        excluded: name of the exclusion (``exclusions``) that keeps an input from counting as silent.
    """

    name: str
    word: str
    how: str
    why: str = ""
    excluded: str = ""


class Lane:
    """Reads inputs one after the other: one process reads, another one judges.

    Args:
        read: reads a path of a kind; see ``read_input``.
        judge: see ``second_opinion``.
        prepare: what the reading process does first.
        cpu_s: longest time of the processor for one input.
    """

    def __init__(
        self,
        read: Callable[..., Reading] = read_input,
        judge: Callable[..., Opinion] = second_opinion,
        prepare: Callable[[], None] | None = prepare,
        cpu_s: float = 10.0,
    ) -> None:
        self._reader, self._judge = Child(read, prepare, cpu_s), Child(judge, None, cpu_s)

    def close(self) -> None:
        """Ends both processes."""
        self._reader.close()
        self._judge.close()

    def try_input(self, made: Input) -> Verdict:
        """Writes the files of an input into an own folder, and reads it."""
        with tempfile.TemporaryDirectory() as folder:
            path = write_input(made, Path(folder))
            answer = self._reader.ask(made.kind, path)
            if answer.status == "stuck":  # once more, alone in a new process
                answer = self._reader.ask(made.kind, path)
            if answer.status != "answered":
                word = "hang" if answer.status == "stuck" else "crash"
                return Verdict(made.name, word, made.how, f"exit status {answer.value}" if word == "crash" else "")
            reading: Reading = answer.value
            if reading.out_of_memory or reading.peak_mib > _MOST_MIB:
                return Verdict(made.name, "memory", made.how, f"{reading.peak_mib:.0f} MiB; {reading.message}")
            if reading.status != "read":
                return Verdict(made.name, reading.status, made.how, reading.message or "; ".join(reading.warnings))
            if made.corrupt:
                return Verdict(made.name, "silent", made.how, made.corrupt)
            judged = self._judge.ask(made.kind, path, reading.value)
            opinion = judged.value if judged.status == "answered" else Opinion("refuses", judged.status)
            if opinion.verdict == "same":
                return Verdict(made.name, "read", made.how)
            why = f"an independent reader {opinion.verdict}: {opinion.why}"
            reason = excluded(made.kind, path, opinion)
            return Verdict(made.name, "read" if reason else "silent", made.how, why, reason)


def write_input(made: Input, folder: Path) -> Path:
    """Writes the files of an input into a folder; returns the path that is read."""
    for name, content in made.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder / made.main


def names(count: int) -> list[str]:
    """Names of ``count`` inputs, shared among the kinds by ``SHARES``."""
    total = sum(SHARES.values())
    return [f"{kind}/{n}" for kind, share in SHARES.items() for n in range(max(1, round(count * share / total)))]


def fuzz(wanted: Sequence[str], workers: int = 2, make_lane: Callable[[], Lane] = Lane) -> Iterator[Verdict]:
    """Tries inputs, and yields their verdicts in the order of the names."""
    for kind in dict.fromkeys(name.split("/")[0] for name in wanted):
        good_inputs(kind)  # here, because two threads would take random numbers from each other
    lanes = [make_lane() for _ in range(workers)]
    try:
        with ThreadPoolExecutor(workers) as pool:
            parts = [
                pool.submit(lambda n: [lanes[n].try_input(make_input(name)) for name in wanted[n::workers]], n)
                for n in range(workers)
            ]
            done = [part.result() for part in parts]
    finally:
        for lane in lanes:
            lane.close()
    for n in range(len(wanted)):
        yield done[n % workers][n // workers]


def summary(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Counts by kind, exclusions by name, and every fault."""
    kinds = {kind: Counter(v.word for v in verdicts if v.name.startswith(f"{kind}/")) for kind in SHARES}
    return {
        "inputs": len(verdicts),
        "kinds": {kind: {word: counts[word] for word in (*GOOD, *FAULTS)} for kind, counts in kinds.items()},
        "excluded": dict(sorted(Counter(v.excluded for v in verdicts if v.excluded).items())),
        "faults": [vars(v) for v in verdicts if v.word in FAULTS],
    }


def table(found: dict[str, Any]) -> str:
    """The counts as a Markdown table."""
    words = (*GOOD, *FAULTS)
    rows = [(kind, *(counts[word] for word in words)) for kind, counts in found["kinds"].items()]
    rows.append(("all", *(sum(row[n + 1] for row in rows) for n in range(len(words)))))
    lines = [f"| kind | {' | '.join(words)} |", "|" + " --- |" * (len(words) + 1)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def main() -> int:
    """Tries the inputs; returns 1 if one of them ended with a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=12_000, help="how many")
    parser.add_argument("--workers", type=int, default=2, help="how many are tried at once")
    parser.add_argument("--only", metavar="KIND/N", help="try this input alone, and say all about it")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="with --only: write its files there")
    parser.add_argument("--kind", choices=SHARES, help="only inputs of this kind")
    parser.add_argument("--output", type=Path, metavar="JSON", help="write the counts there")
    options = parser.parse_args()
    wanted = [options.only] if options.only else names(options.inputs)
    wanted = [name for name in wanted if options.kind in (None, name.split("/")[0])]
    if options.only and options.keep:
        shutil.rmtree(options.keep, ignore_errors=True)
        write_input(make_input(options.only), options.keep)
    begun = time.monotonic()
    verdicts = list(fuzz(wanted, 1 if options.only else options.workers))
    found = summary(verdicts)
    for verdict in verdicts if options.only else [v for v in verdicts if v.word in FAULTS]:
        print(f"{verdict.word}: {verdict.name}: {verdict.how} -> {verdict.why} {verdict.excluded}".rstrip())
    print(table(found))
    print(f"{len(verdicts)} inputs in {time.monotonic() - begun:.0f} s; faults: {len(found['faults'])}")
    if options.output:
        machine = {
            "software": software_version(),
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "python": platform.python_version(),
        }
        readers = {name: metadata.version(name) for name in ("nibabel", "pynrrd", "pydicom", "SimpleITK")}
        options.output.write_text(
            json.dumps({**machine, "readers": readers, **found}, indent=1) + "\n", encoding="utf-8"
        )
    return 1 if found["faults"] else 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
