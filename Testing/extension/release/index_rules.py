"""The rules of Slicer's Extensions Index, and a few of our own, on an exported repository. Needs no network.

Each rule is a function: it returns what it found in order, or raises what it found wrong. Sources, read in November
2026: the Index's ``scripts/check_description_files.py`` and ``check_repository_structure.py``, its formatting checks,
the checklist of its pull requests, and the schema 1.0.2 of its entries.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import jsonschema

from release.cmake_text import Description, description
from release.export import BRANCH, ReleaseError, git

MEGABYTE = 1_000_000
INDEX_LIMIT = 100 * MEGABYTE
OWN_LIMIT = 60 * MEGABYTE

ENTRIES = "Resources/ExtensionsIndex"
SCHEMA = json.loads((Path(__file__).parent / "entry_schema.json").read_text(encoding="utf-8"))
SCHEMA_ADDRESS = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/slicer-extension-catalog-entry-schema-v1.0.2.json#"
)
#: Those of the Index's categories that could fit TumorGen.
CATEGORIES = ("Image Synthesis", "Nuclear Medicine", "Segmentation", "Simulation")
REQUIRED_VALUES = ("HOMEPAGE", "CATEGORY", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS")
LICENSE_NAMES = ("LICENSE", "LICENCE", "License.txt", "license.txt", "LICENSE.txt", "COPYING", "COPYING.txt")
PUBLICATION = re.compile(r"https://(arxiv\.org/abs/|doi\.org/10\.48550/arxiv\.)2505\.24687", re.IGNORECASE)
ICON_SIZE = (128, 128)
LEAST_PICTURE_SIDE = 128

#: Programs, and files that can run code when Python loads them.
BINARIES = {".exe", ".dll", ".so", ".dylib", ".pyd", ".jar", ".whl", ".pkl", ".pickle", ".pt", ".pth", ".joblib"}
#: Windows takes paths of 260 characters, and the builders' own folders need their share.
LONGEST_PATH = 150
#: What Windows takes in no name, in no name's end, and for no name.
NOT_ON_WINDOWS = re.compile(r'[<>:"\\|?*\x00-\x1f]|[. ](/|$)|(^|/)(con|prn|aux|nul|com\d|lpt\d)(\.|/|$)', re.IGNORECASE)
PICTURE = re.compile(r'!\[[^\]]*\]\(([^)\s]+)|<img\s[^>]*src="([^"]+)"')


class Broken(Exception):
    """A rule is broken; the text says what is wrong and what to do."""


class Verdict(Enum):
    """What became of a rule; the value is what the report prints."""

    OK = "ok"
    FAILED = "failed"
    PERSON = "a person must check"


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    rule: str
    verdict: Verdict
    text: str


@dataclass(frozen=True)
class Release:
    """A repository on the disk, and what the rules read of it.

    Args:
        folder: top folder of its working tree.
    """

    folder: Path

    @cached_property
    def files(self) -> list[str]:
        """Paths of all committed files, with slashes."""
        try:
            return [name for name in git(self.folder, "ls-files", "-z").decode().split("\0") if name]
        except ReleaseError as error:
            raise Broken(str(error)) from error

    def text(self, name: str) -> str:
        """The text of a file, with its line ends as they are."""
        try:
            return (self.folder / name).read_bytes().decode("utf-8")
        except OSError as error:
            raise Broken(f"{name} cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError:
            raise Broken(f"{name} is not UTF-8. Save it as UTF-8.") from None

    @property
    def entry_name(self) -> str:
        """Path of the entry's file."""
        found = [name for name in self.files if name.startswith(f"{ENTRIES}/")]
        if len(found) != 1:
            raise Broken(f"{ENTRIES} must hold one file, the entry; it holds {len(found)}: {found}.")
        return found[0]

    @property
    def name(self) -> str:
        """Name of the extension: the entry's file name without its ending."""
        return PurePosixPath(self.entry_name).stem

    @property
    def entry(self) -> dict[str, Any]:
        """The entry for the Index."""
        try:
            entry = json.loads(self.text(self.entry_name))
        except json.JSONDecodeError as error:
            raise Broken(f"{self.entry_name} is not JSON: {error}.") from error
        if not isinstance(entry, dict):
            raise Broken(f"{self.entry_name} holds no JSON object.")
        return entry

    def of_entry(self, key: str) -> Any:
        """A value of the entry."""
        if key not in self.entry:
            raise Broken(f"{self.entry_name} has no {key!r}.")
        return self.entry[key]

    @property
    def cmake(self) -> Description:
        """The description in the top CMakeLists.txt."""
        return description(self.text("CMakeLists.txt"))

    def of_cmake(self, name: str) -> str:
        """An EXTENSION_ value of the top CMakeLists.txt."""
        value = self.cmake.values.get(name, "")
        if not value.strip():
            raise Broken(f"CMakeLists.txt has no readable EXTENSION_{name}.")
        return value

    @property
    def readme(self) -> str:
        """The text of the homepage."""
        return self.text("README.md")


# Size and history ---------------------------------------------------------------------------------


def size_on_disk(folder: Path) -> int:
    """Bytes that a folder takes with all that is in it: of each file its length or its blocks, whichever is more."""
    states = (path.lstat() for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    return sum(max(state.st_size, 512 * getattr(state, "st_blocks", 0)) for state in states)


def limited(folder: Path, limit: int, whose: str) -> str:
    """Holds a clone's size, ``.git`` included, against a limit in bytes."""
    size = size_on_disk(folder)
    found = f"the whole clone takes {size / MEGABYTE:.1f} MB; {whose} limit is {limit / MEGABYTE:.0f} MB"
    if size > limit:
        raise Broken(f"{found}. Remove large files, or ship them another way.")
    return found


def size_for_the_index(release: Release) -> str:
    return limited(release.folder, INDEX_LIMIT, "the Index's")


def size_for_ourselves(release: Release) -> str:
    return limited(release.folder, OWN_LIMIT, "our own")


def one_commit_on_the_default_branch(release: Release) -> str:
    def asked(*arguments: str) -> str:
        try:
            return git(release.folder, *arguments).decode().strip()
        except ReleaseError as error:
            raise Broken(str(error)) from error

    head, branches = asked("symbolic-ref", "HEAD"), asked("for-each-ref", "--format=%(refname)").split()
    if head != f"refs/heads/{BRANCH}" or branches != [head]:
        raise Broken(f"the export must have the branch {BRANCH} and nothing else; HEAD is {head}, it has {branches}.")
    if (commits := asked("rev-list", "--all", "--count")) != "1":
        raise Broken(f"the export must have one commit and has {commits}. Run `make release` again.")
    if changed := asked("status", "--porcelain"):
        raise Broken(f"the export has uncommitted changes: {changed.splitlines()}. Run `make release` again.")
    if (revision := release.entry.get("scm_revision", BRANCH)) != BRANCH:
        raise Broken(f"{release.entry_name} names the revision {revision!r}, which the export does not have.")
    return f"one commit on {BRANCH}, which the entry names"


# The entry ----------------------------------------------------------------------------------------


def entry_file_name(release: Release) -> str:
    """The top folder of the Index takes entries by the name NAME.json, and CMake's project has that name."""
    if PurePosixPath(release.entry_name).suffix != ".json":
        raise Broken(f"the Index takes .json files only, not {release.entry_name}.")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", release.name) or release.name.lower().startswith("slicer"):
        raise Broken(f"{release.name!r} is no name for an extension: letters and digits, and no 'Slicer' in front.")
    if release.cmake.project != release.name:
        raise Broken(f"the project in CMakeLists.txt is {release.cmake.project!r}, the entry is {release.name!r}.")
    return f"{release.name}.json, as CMake's project"


def entry_format(release: Release) -> str:
    """Two spaces, each item of a list on its own line, LF, and one line end at the end of the file."""
    if release.text(release.entry_name) != json.dumps(release.entry, indent=2, ensure_ascii=False) + "\n":
        raise Broken(f"{release.entry_name} is not formatted as `json.dumps(entry, indent=2)` and a line end.")
    return "formatted as the Index formats"


def entry_schema(release: Release) -> str:
    if (named := release.of_entry("$schema")) != SCHEMA_ADDRESS:
        raise Broken(f"the entry names the schema {named!r}. It must name {SCHEMA_ADDRESS}, which knows all its keys.")
    errors = jsonschema.Draft7Validator(SCHEMA).iter_errors(release.entry)
    if wrong := [f"{'/'.join(map(str, e.absolute_path)) or 'entry'}: {e.message}" for e in errors]:
        raise Broken(f"the entry does not follow the schema: {'; '.join(wrong)}.")
    return "valid by the schema 1.0.2"


def category(release: Release) -> str:
    named = release.of_entry("category")
    if named not in CATEGORIES:
        raise Broken(f"the Index has no category {named!r} that fits; it has {', '.join(CATEGORIES)}.")
    return named


def repository_name(release: Release) -> str:
    address = urlsplit(str(release.of_entry("scm_url")))
    if address.scheme not in ("git", "https") or not address.netloc:
        raise Broken(f"scm_url must be an address that begins with https:// or git://, not {address.geturl()!r}.")
    name = PurePosixPath(address.path).stem
    if "slicer" not in name.lower():
        raise Broken(f"the repository's name {name!r} must contain 'Slicer', for example Slicer{release.name}.")
    return name


# CMake's text -------------------------------------------------------------------------------------


def cmake_values_readable(release: Release) -> str:
    if unreadable := [f"EXTENSION_{name}" for name in release.cmake.unreadable]:
        raise Broken(f'write {unreadable} in CMakeLists.txt once each, on one line: set(EXTENSION_NAME "text").')
    for name in REQUIRED_VALUES:
        release.of_cmake(name)
    return "each value is one string on one line"


def cmake_description(release: Release) -> str:
    text = release.of_cmake("DESCRIPTION")
    if not 20 <= len(text) <= 500:
        raise Broken(f"EXTENSION_DESCRIPTION has {len(text)} characters; write one to three sentences.")
    return text


def cmake_agrees_with_the_entry(release: Release) -> str:
    homepage, address = release.of_cmake("HOMEPAGE"), str(release.of_entry("scm_url"))
    if not homepage.startswith("https://") or homepage.removesuffix(".git") != address.removesuffix(".git"):
        raise Broken(f"EXTENSION_HOMEPAGE {homepage!r} must be the https address in the entry's scm_url, {address!r}.")
    if (ours := release.of_cmake("CATEGORY")) != (theirs := release.of_entry("category")):
        raise Broken(f"EXTENSION_CATEGORY is {ours!r}, the entry's category is {theirs!r}.")
    ours, theirs = release.of_cmake("DEPENDS").split(), release.entry.get("build_dependencies", [])
    if ours != theirs:
        raise Broken(f"EXTENSION_DEPENDS is {ours}, the entry's build_dependencies are {theirs}.")
    return "homepage, category and dependencies"


def png_size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG file in pixels, from its header."""
    header = path.read_bytes()[:24] if path.is_file() else b""
    if header[:8] != b"\x89PNG\r\n\x1a\n" or len(header) < 24:
        raise Broken(f"{path.name} is no PNG file.")
    width, height = struct.unpack(">II", header[16:])
    return width, height


def picture(release: Release, address: str) -> tuple[int, int]:
    """Size in pixels of the exported file that GitHub will hand out at an address."""
    raw = release.of_cmake("HOMEPAGE").replace("https://github.com/", "https://raw.githubusercontent.com/")
    start = f"{raw}/{release.entry.get('scm_revision', BRANCH)}/"
    if not address.startswith("https://raw.githubusercontent.com/") or not address.startswith(start):
        raise Broken(f"{address} must begin with {start}: the raw file, not GitHub's page about it.")
    if (name := address.removeprefix(start)) not in release.files:
        raise Broken(f"{address} has no file in the export.")
    return png_size(release.folder / name)


def icon(release: Release) -> str:
    if (size := picture(release, release.of_cmake("ICONURL"))) != ICON_SIZE:
        raise Broken(f"the icon must have 128 x 128 pixels and has {size[0]} x {size[1]}.")
    return "a PNG of 128 x 128 pixels in the export, by a raw https address"


def screenshots(release: Release) -> str:
    addresses = release.of_cmake("SCREENSHOTURLS").split()
    for address in addresses:
        if min(size := picture(release, address)) < LEAST_PICTURE_SIDE:
            raise Broken(f"{address} has {size[0]} x {size[1]} pixels, which shows nothing.")
    return f"{len(addresses)} PNG files in the export, by raw https addresses"


# License and homepage -----------------------------------------------------------------------------


def license_file(release: Release) -> str:
    found = [name for name in LICENSE_NAMES if name in release.files]
    if not found:
        raise Broken(f"the top folder has no license file; the Index looks for {', '.join(LICENSE_NAMES)}.")
    if "Apache License" not in release.text(found[0]):
        raise Broken(f"{found[0]} does not hold the Apache License.")
    if "Apache" not in release.readme:
        raise Broken("README.md does not name the license.")
    return f"{found[0]} (Apache), named in README.md"


def homepage(release: Release) -> str:
    first = release.readme.lstrip().partition("\n")[0]
    if not first.startswith("#") or release.name not in first:
        raise Broken(f"the first line of README.md must be a heading with {release.name}; it is {first!r}.")
    pictures = [markdown or html for markdown, html in PICTURE.findall(release.readme)]
    if missing := [name for name in pictures if "://" not in name and name not in release.files]:
        raise Broken(f"README.md shows pictures that the export does not have: {missing}.")
    if not pictures:
        raise Broken("README.md shows no picture.")
    return f"README.md has the name in its heading and {len(pictures)} pictures"


def publication(release: Release) -> str:
    if not PUBLICATION.search(release.readme):
        raise Broken("README.md has no link to the publication. Add https://arxiv.org/abs/2505.24687.")
    return "README.md links to arXiv 2505.24687"


# Files --------------------------------------------------------------------------------------------


def file_names(release: Release) -> str:
    """Slicer's builders check the repository out on Windows, macOS and Linux."""
    wrong = [
        name for name in release.files if len(name) > LONGEST_PATH or not name.isascii() or NOT_ON_WINDOWS.search(name)
    ]
    if wrong:
        raise Broken(f"Windows cannot hold these names (ASCII, up to {LONGEST_PATH} characters): {wrong}.")
    seen: dict[str, str] = {}
    for name in release.files:
        if (other := seen.setdefault(name.lower(), name)) != name:
            raise Broken(f"{other} and {name} differ in case only, which Windows and macOS cannot hold.")
    if links := [name for name in release.files if (release.folder / name).is_symlink()]:
        raise Broken(f"Windows checks out no symbolic links: {links}.")
    return f"{len(release.files)} names, all valid on Windows and macOS"


def no_binaries(release: Release) -> str:
    if found := [name for name in release.files if PurePosixPath(name.lower()).suffix in BINARIES]:
        raise Broken(f"the export holds programs, or files that run code when they are loaded: {found}.")
    return "no programs and no pickles; weights are safetensors"


def patents(release: Release) -> str | None:
    """None when no text says a word about patents: only a person can know of one."""
    said = "patent" in (release.readme + release.of_cmake("DESCRIPTION")).lower()
    return "README.md or the description speaks of patents" if said else None


RULES: tuple[Callable[[Release], str | None], ...] = (
    size_for_the_index,
    size_for_ourselves,
    one_commit_on_the_default_branch,
    entry_file_name,
    entry_format,
    entry_schema,
    category,
    repository_name,
    cmake_values_readable,
    cmake_description,
    cmake_agrees_with_the_entry,
    icon,
    screenshots,
    license_file,
    homepage,
    publication,
    file_names,
    no_binaries,
    patents,
)
#: Rules that hold for an export only; all others hold for any working tree, too.
OF_AN_EXPORT = (size_for_the_index, size_for_ourselves, one_commit_on_the_default_branch)

#: Rules that no program can check without the network.
FOR_A_PERSON = {
    "patents": "a known patent must be named in EXTENSION_DESCRIPTION; README.md says nothing about patents",
    "GitHub topic": "the public repository has the topic 3d-slicer-extension",
    "addresses": "homepage, icon and screenshots answer without a login",
    "Index of today": "its entries include those of build_dependencies, its scripts know the category and the schema",
    "GitHub features": "Wiki, Projects, Discussions, Releases and Packages that nobody uses are hidden",
    "documentation": "one sentence for each module, a step-by-step tutorial, and where its sample data come from",
    "review questions": "the answers in docs/release.md still hold",
}


def judge(rule: Callable[[Release], str | None], release: Release) -> Finding:
    """Runs one rule."""
    title = rule.__name__.replace("_", " ")
    try:
        text = rule(release)
    except Broken as broken:
        return Finding(title, Verdict.FAILED, str(broken))
    return Finding(title, Verdict.OK, text) if text else Finding(title, Verdict.PERSON, FOR_A_PERSON[title])


def judge_all(release: Release) -> list[Finding]:
    """Runs every rule, and adds those that only a person can check."""
    found = [judge(rule, release) for rule in RULES]
    known = {finding.rule for finding in found}
    return found + [Finding(name, Verdict.PERSON, text) for name, text in FOR_A_PERSON.items() if name not in known]
