"""The pages are short enough, their links lead somewhere, and they agree with the code."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
from guides import REPOSITORY, anchors, blocks, links, pages

import TumorGenCore

DOCS = REPOSITORY / "docs"
#: Most lines of the pages that have to be read at once.
MOST_LINES = {"README.md": 150, "ARCHITECTURE.md": 110, "Resources/Models/pet-fdg-v2/docs/README.md": 110}


@pytest.mark.parametrize("name", MOST_LINES)
def test_the_page_is_short(name: str) -> None:
    assert len((REPOSITORY / name).read_text().splitlines()) <= MOST_LINES[name]


def test_every_link_leads_somewhere() -> None:
    broken = []
    for page in pages():
        for target in links(page):
            if re.match(r"(https?|mailto):", target):
                continue
            name, _, anchor = target.partition("#")
            linked = (page.parent / name).resolve() if name else page
            if not linked.exists() or (anchor and anchor not in anchors(linked)):
                broken.append(f"{page.relative_to(REPOSITORY)}: {target}")
    assert not broken


def test_every_guide_is_linked_from_the_readme() -> None:
    linked = {(REPOSITORY / target.partition("#")[0]).resolve() for target in links(REPOSITORY / "README.md")}
    guides = {page for page in DOCS.glob("*.md") if page.name not in ("release.md", "soak.md")}  # For maintainers.
    assert guides <= linked


def test_decisions_are_numbered_and_listed() -> None:
    records = sorted(path.name for path in (DOCS / "decisions").glob("[0-9]*.md"))
    assert [name[:3] for name in records] == [f"{n:03}" for n in range(1, len(records) + 1)]
    listed = [target for target in links(DOCS / "decisions" / "README.md") if re.match(r"\d{3}-", target)]
    assert sorted(set(listed)) == records


def test_versions_agree() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert f"\nversion: {project['version']}\n" in (REPOSITORY / "CITATION.cff").read_text()
    newest = re.search(r"^## (\S+) ", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None and newest[1] == project["version"]


def test_guides_import_public_names_only_and_all_of_them() -> None:
    """No guide imports from inside the package; the public names are those of the guides, results and errors."""
    python = "".join(b.text for page in pages() for b in blocks(page) if b.language == "python")
    assert not re.findall(r"TumorGenCore\.\w+", python)
    imported = re.findall(r"^from TumorGenCore import (.+)$", python, re.MULTILINE)
    used = {name for names in imported for name in names.split(", ")}
    results = {"Tumor", "Variant"}
    assert {name for name in TumorGenCore.__all__ if not name.endswith("Error")} == (
        {name for name in used if not name.endswith("Error")} | results
    )
    assert used <= set(TumorGenCore.__all__)


def test_messages_in_the_trouble_table_are_those_of_the_code() -> None:
    """Quoted parts of the table, between the dots, occur in the strings of the product."""
    strings = []
    for folder in ("TumorGenCore", "TumorGenSlicer"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    strings.append(node.value)
                elif isinstance(node, ast.JoinedStr):
                    strings.append(
                        "".join(
                            str(getattr(part, "value", "")) for part in node.values if isinstance(part, ast.Constant)
                        )
                    )
    known = "\n".join(strings)
    table = (DOCS / "slicer.md").read_text().partition("## Trouble")[2]
    quoted = re.findall(r'^\| "(.+?)" \|', table, re.MULTILINE)
    assert len(quoted) >= 8
    missing = [
        part.strip(" ,;")
        for words in quoted
        if "CUDA" not in words  # PyTorch's own words
        for part in words.split("...")
        if part.strip(" ,;") and part.strip(" ,;") not in known
    ]
    assert not missing


def figures(text: str) -> list[tuple[str, ...]]:
    """Rows of Markdown tables that hold at least three numbers with decimals, without their first cell."""
    rows = [
        tuple(cell.strip() for cell in line.strip("| \n").split("|"))
        for line in text.splitlines()
        if line.startswith("|")
    ]
    return [row[1:] for row in rows if len(re.findall(r"\d\.\d", " ".join(row[1:]))) >= 3]


def test_no_row_of_figures_stands_twice() -> None:
    seen: dict[tuple[str, ...], Path] = {}
    twice = []
    for page in pages():
        for row in figures(page.read_text(encoding="utf-8")):
            if row in seen:
                twice.append((page.name, seen[row].name, row))
            seen[row] = page
    assert not twice


def test_every_section_of_results_with_figures_has_its_command_version_and_date() -> None:
    sections = re.split(r"^## ", (DOCS / "results.md").read_text(), flags=re.MULTILINE)[1:]
    parts = [
        re.compile(p, re.MULTILINE)
        for p in (r"^ {4}(tumorgen|make|python|pip) ", r"[Ss]oftware \d\.\d", r"202\d-\d\d-\d\d")
    ]
    shared = re.compile(r"(Command, versions and date as|From `tumorgen evaluate` as) under \[")
    with_figures = [section for section in sections if figures(section)]
    assert len(with_figures) > 5
    without = [
        s.partition("\n")[0] for s in with_figures if not (shared.search(s) or all(part.search(s) for part in parts))
    ]
    assert not without
