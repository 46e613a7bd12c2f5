"""Croissant, the JSON-LD of MLCommons about data sets, checked with mlcroissant 1.1.1.

Every file has its SHA-256. Two record sets have the results and the lesions, with the definition of every column.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from TumorGenCore.cohort.exports.data_card import makers_of
from TumorGenCore.cohort.exports.finished import Case
from TumorGenCore.cohort.exports.tables import CASES, LESIONS
from TumorGenCore.cohort.exports.work import Work
from TumorGenCore.cohort.tables import CASES_FILE, TRUTH_FILE
from TumorGenCore.insertion.provenance import STATEMENT
from TumorGenCore.insertion.truth_columns import COLUMNS, TEXTS

__all__ = ["write_croissant"]

_FILE = "croissant.json"
_LAYOUT = """\
`croissant.json` is the metadata in the Croissant format of MLCommons: every file with its SHA-256, and the columns of
both tables as record sets. `images/` has the PET in SUV, `masks/` the masks (1 is tumor){ct}."""

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

_CITE = (
    "Liu, Chen et al.: TumorGen: boundary-aware tumor-mask synthesis with rectified flow matching, arXiv 2505.24687; "
    "and the software TumorGen, an independent implementation"
)

#: Columns of ``cases.csv``: type and definition.
_CASES: dict[str, tuple[str, str]] = {
    "name": ("Text", "name of the scan in the run"),
    "seed": ("Integer", "seed of the result"),
    "boxes_ras_mm": ("Text", "boxes of the tumors: center and size, RAS, mm; one after another"),
    "suv_max": ("Float", "SUV of the hottest voxel of the mask"),
    "suv_mean": ("Float", "mean SUV in the mask"),
    "volume_ml": ("Float", "volume of the mask, ml"),
    "quality": ("Float", "quality of the poorest tumor, 0 to 1"),
    "redrawn": ("Integer", "number of tumors that were drawn again"),
    "warnings": ("Text", "what was odd"),
    "image": ("Text", "file of the PET in SUV"),
    "mask": ("Text", "file of the mask"),
    "image_sha256": ("Text", "SHA-256 of the image"),
    "mask_sha256": ("Text", "SHA-256 of the mask"),
}
#: Columns of ``truth.csv`` that are whole numbers.
_WHOLE = {"lesion", "voxels", "background_voxels", "quality_passes"}


def write_croissant(work: Work) -> str:
    """Writes files and metadata.

    Returns:
        Markdown about the files.

    Raises:
        ExportError, OSError: a file cannot be read or written.
    """
    tables = work.put(_image, _mask)
    cts = work.put_original_cts(lambda case: f"ct/{case.name}")
    hashes = {path: case.provenance["ct"]["sha256"] for path, case in cts.items()}
    for case in work.finished.cases:
        hashes |= {_image(case): case.record["image_sha256"], _mask(case): case.record["mask_sha256"]}
    request = work.request
    makers = "; ".join(f"TumorGen {made[0]} with the bundle {made[1]} {made[2]}" for made in makers_of(work.finished))
    work.write_json(
        _FILE,
        {
            "@context": _CONTEXT,
            "@type": "sc:Dataset",
            "conformsTo": "http://mlcommons.org/croissant/1.0",
            "name": request.name,
            "description": f"FDG-PET in SUV with synthetic tumors and their masks. {STATEMENT}. Made by {makers}.",
            "version": "1.0.0",
            "citeAs": _CITE,
            "datePublished": max(str(case.provenance["created_utc"])[:10] for case in work.finished.cases),
            "keywords": ["PET", "FDG", "tumor", "segmentation", "synthetic"],
            **({"license": request.license} if request.license else {}),
            **({"isBasedOn": request.source} if request.source else {}),
            "distribution": [
                *(_file(work, path, sha256, "text/csv") for path, sha256 in tables.items()),
                *(_file(work, path, sha256, _encoding(path)) for path, sha256 in hashes.items()),
            ],
            "recordSet": [
                _records("results", "A row for each result", CASES_FILE, _CASES, CASES),
                _records("lesions", "A row for each synthetic lesion", TRUTH_FILE, _truth_columns(), LESIONS),
            ],
        },
    )
    return _LAYOUT.format(ct=", `ct/` the CT of each scan" if work.channels.has_ct else "")


def _image(case: Case) -> str:
    return f"images/{case.stem}.nii.gz"


def _mask(case: Case) -> str:
    return f"masks/{case.stem}.nii.gz"


def _encoding(path: str) -> str:
    return "application/gzip" if path.lower().endswith(".gz") else "application/octet-stream"


def _file(work: Work, path: str, sha256: str, encoding: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path,
        "contentUrl": path,
        "contentSize": f"{(work.folder / path).stat().st_size} B",
        "encodingFormat": encoding,
        "sha256": sha256,
    }


def _records(
    name: str, description: str, table: str, columns: Mapping[str, tuple[str, str]], order: Sequence[str]
) -> dict[str, Any]:
    fields: Iterable[tuple[str, tuple[str, str]]] = ((column, columns[column]) for column in order)
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column}",
                "name": column,
                "description": definition,
                "dataType": f"sc:{kind}",
                "source": {"fileObject": {"@id": table}, "extract": {"column": column}},
            }
            for column, (kind, definition) in fields
        ],
    }


def _truth_columns() -> dict[str, tuple[str, str]]:
    def kind(column: str) -> str:
        if column in TEXTS:
            return "Text"
        return "Integer" if column in _WHOLE else "Float"

    return {column: (kind(column), definition) for column, definition in COLUMNS.items()}
