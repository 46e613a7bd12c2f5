"""The data card of an export: what was made, from what, by what, how it is distributed, and what it is not.

It names no case, no file and no folder, because these may name a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from TumorGenCore.cohort.exports.channels import Channels
from TumorGenCore.cohort.exports.figures import MEASURES, QUANTILES, places, quantiles, values_of
from TumorGenCore.cohort.exports.finished import Finished
from TumorGenCore.cohort.exports.request import ExportRequest
from TumorGenCore.cohort.histograms import Panel, draw_histograms
from TumorGenCore.insertion.provenance import STATEMENT
from TumorGenCore.lesions.quality import LEAST_QUALITY
from TumorGenCore.volumes.safe_write import write_pieces

__all__ = ["CARD", "PICTURE", "makers_of", "write_card"]

CARD, PICTURE = "README.md", "data_card.png"

_LIMITS = f"""\
## Limits

- **{STATEMENT}.** Every lesion was made by a computer. Nothing here is a finding about a person.
- The scans around the lesions are the scans that the user gave. If a scan has tumors of its own, no mask marks them.
- The card of the model bundle says from which scans it learned. Lesions of pet-fdg-v2: small ones are too plain and
  round, large ones too lobulated, with edges that are too soft. A classifier can tell large ones from real ones.
- A mask is the computer's own, so it fits its lesion better than a reader's mask would. A network that is tested on
  such masks looks better than it is: test on real lesions.
- Quality is TumorGen's own judgement of seams, noise, shape and texture, from 0 to 1. It is no reader's judgement.
- Results of one patient show the same body. Keep them on one side of a split.
"""


def makers_of(finished: Finished) -> list[tuple[str, str, str, str]]:
    """Returns software version, bundle, its version and its hash of all results, each once."""
    keys = ("software_version", "bundle_name", "bundle_version", "bundle_hash")
    return sorted({tuple(str(case.provenance[key]) for key in keys) for case in finished.cases})  # type: ignore[misc]


def write_card(
    folder: Path, finished: Finished, patients: Sequence[str], request: ExportRequest, channels: Channels, layout: str
) -> None:
    """Writes the card and its picture.

    Args:
        folder: of the export.
        finished: the results.
        patients: the patient of each result.
        request: what the user asked for.
        channels: what became of the CT.
        layout: Markdown about the files of this format.

    Raises:
        OSError: a file cannot be written.
    """
    parts = [
        _head(finished, patients, request),
        f"## Files\n\n{layout}\n\n{_TABLES}\n" + (f"\n{channels.remark}\n" if channels.remark else ""),
        _distributions(finished),
        _quality(finished),
        _LIMITS,
    ]
    write_pieces(folder / CARD, ["\n".join(parts).encode()])
    panels = [Panel(m.title, values_of(finished.lesions, m.column), m.is_log) for m in MEASURES]
    draw_histograms(f"{len(finished.lesions)} lesions in {len(finished.cases)} results", panels, folder / PICTURE)


_TABLES = """\
`cases.csv` has a line for each result, with SHA-256 of image and mask. `truth.csv` has a line for each lesion: place,
size, uptake, background, and what was asked for. Both leave out facts about persons and names of the scans' files."""


def _head(finished: Finished, patients: Sequence[str], request: ExportRequest) -> str:
    scans = {case.provenance["input_sha256"] for case in finished.cases}
    edges = [float(lesion[f"voxel_size_mm_{axis}"]) for lesion in finished.lesions for axis in "ijk"]
    made = sorted(str(case.provenance["created_utc"])[:10] for case in finished.cases)
    lines = [
        f"{len(finished.cases)} results with {len(finished.lesions)} synthetic lesions, made "
        + (f"on {made[0]}" if made[0] == made[-1] else f"from {made[0]} to {made[-1]}"),
        f"{len(scans)} FDG-PET scans of {len(set(patients))} patients, with voxel edges from {min(edges):.3g} to "
        f"{max(edges):.3g} mm. Where they come from: {request.source or 'not stated'}",
        f"License: {request.license or 'not stated; that of the scans may bind you'}",
    ]
    for software, bundle, version, sha256 in makers_of(finished):
        lines.append(f"TumorGen {software} with the bundle {bundle} {version} (SHA-256 {sha256[:12]}...)")
    items = "\n".join(f"- {line}." for line in lines)
    return (
        f"# {request.name}\n\n**{STATEMENT}.** FDG-PET scans with synthetic tumors, and the masks of these tumors. "
        f"Images are in SUV by body weight.\n\n{items}\n"
    )


def _distributions(finished: Finished) -> str:
    head = ["", *(f"{100 * share:g} %" for share in QUANTILES)]
    head[1], head[-1] = "lowest", "highest"
    rows = [
        [measure.title, *(f"{value:.3g}" for value in found)]
        for measure in MEASURES
        if (found := quantiles(values_of(finished.lesions, measure.column)))
    ]
    tumors = Counter(len(case.lesions) for case in finished.cases)
    return "\n".join(
        [
            "## Lesions",
            "",
            "The share of the lesions below each value:",
            "",
            *_table(head, rows),
            "",
            f"![Histograms of size and uptake; a dashed line at the median]({PICTURE})",
            "",
            *_table(["place", "lesions"], places(finished).items()),
            "",
            *_table(["size asked for", "uptake asked for", "lesions"], _asked(finished)),
            "",
            *_table(["lesions in a result", "results"], sorted(tumors.items())),
            "",
        ]
    )


def _asked(finished: Finished) -> list[tuple[str, str, int]]:
    modes = Counter((lesion["size_mode"], lesion["intensity_mode"]) for lesion in finished.lesions)
    return [(size, uptake, count) for (size, uptake), count in modes.most_common()]


def _quality(finished: Finished) -> str:
    lesions, cases = finished.lesions, finished.cases
    poor = sum(lesion["quality_passes"] == "0" for lesion in lesions)
    redrawn = sum(int(case.record["redrawn"] or 0) for case in cases)
    empty = sum(float(lesion["voxels"] or 0) == 0 for lesion in lesions)
    found = quantiles(values_of(lesions, "quality"))
    lines = [
        f"{poor} of {len(lesions)} lesions ({poor / len(lesions):.1%}) have a quality below the gate, {LEAST_QUALITY}",
        f"{redrawn} lesions were drawn again for a better quality or fill",
        f"{sum(bool(case.record['warnings']) for case in cases)} results have warnings; the tables say which",
        f"{finished.left_out} more results could not be made and were left out",
    ]
    if empty:
        lines.append(f"{empty} lesions are so small that no voxel is marked")
    if found:
        lines.insert(1, f"Quality: median {found[len(found) // 2]:.2f}, lowest {found[0]:.2f}")
    return "## Quality\n\n" + "\n".join(f"- {line}." for line in lines) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{' --- |' * len(head)}",
        *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows),
    ]
