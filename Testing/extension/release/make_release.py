"""`make release`: exports the last commit and holds the export against the rules of Slicer's Extensions Index.

Prints one line a rule, then the steps that only a person can take. Exits with 1 when there is no export or a rule
fails.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from release.export import ReleaseError, export
from release.index_rules import Release, Verdict, judge_all

REPOSITORY = Path(__file__).resolve().parents[3]
GUIDE = REPOSITORY / "docs" / "release.md"
STEPS = "## Steps that only a person can take"


def steps() -> str:
    """The steps that only a person can take, from the guide: there is no second list of them."""
    _, _, after = GUIDE.read_text(encoding="utf-8").partition(f"{STEPS}\n")
    return re.split(r"^## ", after, maxsplit=1, flags=re.MULTILINE)[0].strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="make_release", description=__doc__)
    parser.add_argument("--repository", type=Path, default=REPOSITORY, help="what to export (default: this repository)")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "build/release/SlicerTumorGen", help="new folder")
    parser.add_argument("--allow-dirty", action="store_true", help="export HEAD in spite of uncommitted changes")
    options = parser.parse_args(arguments)

    try:
        made = export(options.repository, options.output, options.allow_dirty)
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Exported {made.source[:12]} to {made.folder}", flush=True)
    if made.left_out:
        print(
            f"Warning: the export does not hold {len(made.left_out)} uncommitted changes.", file=sys.stderr, flush=True
        )

    findings = judge_all(Release(made.folder))
    width = max(len(verdict.value) for verdict in Verdict)
    for finding in findings:
        print(f"{finding.verdict.value:<{width}}  {finding.rule}: {finding.text}")
    failed = sum(finding.verdict is Verdict.FAILED for finding in findings)
    print(f"\nFailed rules: {failed}. Do not publish this export." if failed else "\nNo rule failed.")
    print(f"\n{STEPS.removeprefix('## ')}:\n\n{steps()}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
