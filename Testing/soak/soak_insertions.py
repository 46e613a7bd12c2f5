"""Tries what must hold for every insertion, for long: `make soak-insertions`. Ends with 1 if something did not hold."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from any_place import try_places
from canaries import insert_quietly
from memory_growth import MOST_GROWTH_MIB, WARM_UP, growth
from tiny_bundle import write_tiny_bundle

from TumorGenCore.version import software_version

__all__ = ["faults"]

#: Bundle that ships; its networks and batches are those of users.
_SHIPPED = "pet-fdg-v2-4step"


def faults(result: dict) -> list[str]:
    """Returns what did not hold, in words."""
    places, memory, privacy = (result.get(part, {}) for part in ("places", "memory", "privacy"))
    found = [f"case {case}: {'; '.join(wrong)}" for case, wrong in places.get("faults", {}).items()]
    if places and places["with a change"] < 0.9 * places["cases"]:
        found.append(f"only {places['with a change']} of {places['cases']} tumors changed a voxel")
    if memory.get("growth, MiB", 0.0) > MOST_GROWTH_MIB:
        found.append(f"memory grew by {memory['growth, MiB']} MiB")
    return found + privacy.get("leaks", []) + privacy.get("connections and pickles", [])


def _memory(count: int) -> dict:
    script = Path(__file__).with_name("memory_growth.py")
    done = subprocess.run(
        [sys.executable, str(script), _SHIPPED, str(count)], stdout=subprocess.PIPE, text=True, check=True
    )
    memory = [float(line) for line in done.stdout.split()]
    return {
        "bundle": _SHIPPED,
        "insertions": len(memory),
        f"after {WARM_UP}, MiB": round(memory[WARM_UP - 1], 1),
        "at the end, MiB": round(memory[-1], 1),
        "growth, MiB": round(growth(memory), 1),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the parts and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--places", type=int, default=2800, help="random volumes and boxes; 0 for none")
    parser.add_argument("--insertions", type=int, default=300, help="insertions in one process; 0 for none")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, required=True, metavar="JSON")
    options = parser.parse_args(arguments)
    result: dict = {
        "software": software_version(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "python": platform.python_version(),
        "command": f"make soak-insertions PLACES={options.places} INSERTIONS={options.insertions}",
        "seconds": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        bundle = write_tiny_bundle(Path(folder) / "tiny")
        parts = {"privacy": lambda: insert_quietly(bundle, Path(folder) / "private")}
        if options.insertions:
            parts["memory"] = lambda: _memory(options.insertions)
        if options.places:
            parts["places"] = lambda: try_places(bundle, range(options.places), options.workers)
        for part, work in parts.items():
            start = time.monotonic()
            result[part] = work()
            result["seconds"][part] = round(time.monotonic() - start)
            print(f"{part}: {json.dumps(result[part])}", flush=True)
    result["faults"] = faults(result)
    options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(*(result["faults"] or ["Everything held."]), sep="\n")
    return 1 if result["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
