"""`make release`: the export is whole and has no history, and a bad export breaks the rule that it should break."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import release.export as exporting
import release.make_release as command
from release import index_rules as rules
from release.cmake_text import description
from release.export import Export, ReleaseError, export, git
from release.index_rules import Finding, Release, Verdict, judge, judge_all
from release_cases import CMAKE, ENTRY, GOOD_ENTRY, HOMEPAGE, RAW, README, commit, formatted, png, small_repository
from stub_build import REPOSITORY


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small repository that keeps every rule. Tests do not change it."""
    return small_repository(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def good(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Its export. Tests do not change it."""
    return export(source, tmp_path_factory.mktemp("good") / "SlicerTumorGen")


@pytest.fixture
def own_source(source: Path, tmp_path: Path) -> Path:
    """A copy of the small repository that a test may change."""
    return Path(shutil.copytree(source, tmp_path / "source"))


@pytest.fixture
def spoiled(good: Export, tmp_path: Path) -> Path:
    """A copy of the good export that a test may spoil."""
    return Path(shutil.copytree(good.folder, tmp_path / "SlicerTumorGen"))


# The export ---------------------------------------------------------------------------------------


def test_the_export_has_the_same_files_and_one_commit(source: Path, good: Export) -> None:
    trees = [git(folder, "rev-parse", "HEAD^{tree}") for folder in (source, good.folder)]
    assert trees[0] == trees[1]
    assert git(good.folder, "log", "--all", "--format=%an|%cn|%s").decode() == (
        "TumorGen developers|TumorGen developers|TumorGen 1.2.3\n"
    )
    assert git(good.folder, "status", "--porcelain") == b""
    assert (good.folder / "tool").stat().st_mode & 0o100
    assert good.source == git(source, "rev-parse", "HEAD").decode().strip()
    assert [path.name for path in good.folder.parent.iterdir()] == ["SlicerTumorGen"]


def test_the_export_holds_nothing_of_the_history(source: Path, good: Export) -> None:
    blob = git(source, "rev-parse", "HEAD~1:large.bin").decode().strip()
    for name in (blob, good.source):
        with pytest.raises(ReleaseError):
            git(good.folder, "cat-file", "-e", name)


def test_two_exports_of_one_commit_are_equal(source: Path, good: Export, tmp_path: Path) -> None:
    again = export(source, tmp_path / "deeper" / "again")
    assert git(again.folder, "rev-parse", "HEAD") == git(good.folder, "rev-parse", "HEAD")


@pytest.mark.parametrize("change", ["changed", "new"])
def test_uncommitted_changes_are_refused(own_source: Path, tmp_path: Path, change: str) -> None:
    (own_source / ("README.md" if change == "changed" else "new.txt")).write_text("not committed")
    with pytest.raises(ReleaseError, match=r"1 uncommitted changes(?s:.)*(README\.md|new\.txt)(?s:.)*ALLOW_DIRTY=1"):
        export(own_source, tmp_path / "out" / "x")
    assert not (tmp_path / "out").exists()

    made = export(own_source, tmp_path / "out" / "x", allow_dirty=True)
    assert len(made.left_out) == 1
    assert (made.folder / "README.md").read_text() == README
    assert not (made.folder / "new.txt").exists()


def test_ignored_files_are_no_changes(own_source: Path, tmp_path: Path) -> None:
    (own_source / "build").mkdir()
    (own_source / "build" / "result").touch()
    assert export(own_source, tmp_path / "x").left_out == []


def test_an_older_export_is_replaced(own_source: Path, tmp_path: Path) -> None:
    export(own_source, tmp_path / "x")
    (own_source / "new.txt").touch()
    commit(own_source, "new file")
    assert (export(own_source, tmp_path / "x").folder / "new.txt").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "x"]


def foreign_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "letter.txt").touch()


def foreign_repository(folder: Path) -> None:
    git(folder, "config", "--unset", exporting.MADE_KEY)


OTHERS_WORK: dict[str, Callable[[Path], object]] = {
    "a folder": foreign_folder,
    "a repository": foreign_repository,
    "a new file": lambda folder: (folder / "notes.txt").touch(),
    "an ignored file": lambda folder: ((folder / "build").mkdir(), (folder / "build" / "result").touch()),
    "a commit": lambda folder: commit(folder, "mine"),
    "a remote": lambda folder: git(folder, "remote", "add", "origin", HOMEPAGE),
}


@pytest.mark.parametrize("what", OTHERS_WORK)
def test_what_a_person_did_is_not_replaced(source: Path, spoiled: Path, what: str) -> None:
    OTHERS_WORK[what](spoiled)
    before = sorted(spoiled.rglob("*"))
    with pytest.raises(ReleaseError, match="Move it away"):
        export(source, spoiled)
    assert sorted(spoiled.rglob("*")) == before


@pytest.mark.parametrize("broken_step", ["fsck", "reset", "move"])
@pytest.mark.parametrize("older", [False, True])
def test_a_failed_export_leaves_the_destination_as_it_was(
    source: Path, spoiled: Path, monkeypatch: pytest.MonkeyPatch, broken_step: str, older: bool
) -> None:
    if not older:
        shutil.rmtree(spoiled)

    def failing(folder: Path, *arguments: str, **options: Any) -> bytes:
        if arguments[0] == broken_step:
            raise KeyboardInterrupt
        return git(folder, *arguments, **options)

    rename = Path.rename

    def failing_rename(self: Path, target: Path) -> Path:
        if broken_step == "move" and self.name == "new":
            raise OSError("disk full")
        return rename(self, target)

    monkeypatch.setattr(exporting, "git", failing)
    monkeypatch.setattr(Path, "rename", failing_rename)
    with pytest.raises((KeyboardInterrupt, OSError)):
        export(source, spoiled)
    assert [path.name for path in spoiled.parent.iterdir()] == (["SlicerTumorGen"] if older else [])
    assert not older or (spoiled / "README.md").read_text() == README


def test_a_folder_without_git_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="git status failed"):
        export(tmp_path, tmp_path / "x")


# The rules ----------------------------------------------------------------------------------------


def test_a_good_export_breaks_no_rule(good: Export) -> None:
    findings = judge_all(Release(good.folder))
    assert [finding for finding in findings if finding.verdict is Verdict.FAILED] == []
    by_person = {finding.rule for finding in findings if finding.verdict is Verdict.PERSON}
    assert by_person == rules.FOR_A_PERSON.keys() - {"patents"}


Spoil = Callable[[Path], object]


def replace(name: str, old: str, new: str) -> Spoil:
    """Replaces a text in a file of an export."""

    def spoil(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return spoil


def cmake(name: str, value: str) -> Spoil:
    """Sets an EXTENSION_ value of an export."""
    return replace("CMakeLists.txt", f'{name} "{description(CMAKE).values[name]}"', f'{name} "{value}"')


def entry(**changes: Any) -> Spoil:
    """Changes keys of an export's entry; None removes a key."""
    changed = {key: value for key, value in (GOOD_ENTRY | changes).items() if value is not None}
    return lambda folder: (folder / ENTRY).write_text(formatted(changed))


def add(name: str, content: bytes = b"") -> Spoil:
    """Adds a committed file to an export."""

    def spoil(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        git(folder, "add", "--force", name)

    return spoil


def rename(old: str, new: str) -> Spoil:
    return lambda folder: git(folder, "mv", old, new)


def remove(name: str) -> Spoil:
    return lambda folder: git(folder, "rm", "--quiet", name)


def overwrite(name: str, content: bytes) -> Spoil:
    return lambda folder: (folder / name).write_bytes(content)


def sparse(megabytes: int) -> Spoil:
    """Makes ``.git`` larger without filling the disk."""

    def spoil(folder: Path) -> None:
        with (folder / ".git" / "large").open("wb") as file:
            file.truncate(megabytes * 1_000_000)

    return spoil


BROKEN: list[tuple[Callable[[Release], str | None], Spoil, str]] = [
    (rules.size_for_the_index, sparse(100), r"10\d\.\d MB; the Index's limit is 100 MB"),
    (rules.size_for_ourselves, sparse(60), r"60\.\d MB; our own limit is 60 MB"),
    (rules.one_commit_on_the_default_branch, lambda f: commit(f, "second"), "has 2"),
    (rules.one_commit_on_the_default_branch, lambda f: git(f, "branch", "-m", "master"), "HEAD is refs/heads/master"),
    (rules.one_commit_on_the_default_branch, lambda f: git(f, "tag", "v1"), "refs/tags/v1"),
    (rules.one_commit_on_the_default_branch, lambda f: (f / "new").touch(), "uncommitted"),
    (rules.one_commit_on_the_default_branch, lambda f: shutil.rmtree(f / ".git"), "git symbolic-ref failed"),
    (rules.entry_file_name, rename(ENTRY, "Resources/ExtensionsIndex/TumorGen.s4ext"), "takes .json files only"),
    (rules.entry_file_name, rename(ENTRY, "Resources/ExtensionsIndex/SlicerTumorGen.json"), "no name for an extension"),
    (rules.entry_file_name, rename(ENTRY, "Resources/ExtensionsIndex/Tumor Gen.json"), "no name for an extension"),
    (rules.entry_file_name, replace("CMakeLists.txt", "project(TumorGen)", "project(Other)"), "project .* is 'Other'"),
    (rules.entry_file_name, replace("CMakeLists.txt", "project(TumorGen)", ""), "project .* is None"),
    (rules.entry_file_name, add("Resources/ExtensionsIndex/Second.json"), "it holds 2"),
    (rules.entry_file_name, remove(ENTRY), "it holds 0"),
    (rules.entry_format, overwrite(ENTRY, formatted(GOOD_ENTRY).replace("\n", "\r\n").encode()), "not formatted"),
    (rules.entry_format, replace(ENTRY, "  ", "\t"), "not formatted"),
    (rules.entry_format, overwrite(ENTRY, formatted(GOOD_ENTRY).rstrip().encode()), "not formatted"),
    (rules.entry_format, overwrite(ENTRY, b"{"), "is not JSON"),
    (rules.entry_format, overwrite(ENTRY, b"[]\n"), "holds no JSON object"),
    (rules.entry_format, overwrite(ENTRY, b"\xff"), "is not UTF-8"),
    (rules.entry_schema, entry(**{"$schema": rules.SCHEMA_ADDRESS.replace("1.0.2", "1.0.1")}), "names the schema"),
    (rules.entry_schema, entry(**{"$schema": None}), r"no '\$schema'"),
    (rules.entry_schema, entry(scm_url=None), "'scm_url' is a required property"),
    (rules.entry_schema, entry(category=None), "'category' is a required property"),
    (rules.entry_schema, entry(homepage="x"), "'homepage' was unexpected"),
    (rules.entry_schema, entry(tier=6), "tier: 6"),
    (rules.entry_schema, entry(tier="1"), "tier: '1'"),
    (rules.entry_schema, entry(enabled=1), "enabled: 1"),
    (rules.entry_schema, entry(scm_type="svn"), "scm_type: 'svn'"),
    (rules.entry_schema, entry(build_dependencies=["PyTorch", 1]), "build_dependencies/1: 1"),
    (rules.entry_schema, entry(build_subdirectory=["."]), "build_subdirectory"),
    (rules.entry_schema, entry(dicom_support_rule=True), "dicom_support_rule: True"),
    (rules.entry_schema, entry(scm_revision=5), "scm_revision: 5"),
    (rules.category, entry(category="Tumors"), "no category 'Tumors'"),
    (rules.repository_name, entry(scm_url="https://github.com/TumorGen/TumorGen"), "must contain 'Slicer'"),
    (rules.repository_name, entry(scm_url="git@github.com:TumorGen/SlicerTumorGen.git"), "begins with https://"),
    (
        rules.cmake_values_readable,
        replace("CMakeLists.txt", 'DEPENDS "PyTorch"', "DEPENDS PyTorch"),
        "EXTENSION_DEPENDS",
    ),
    (rules.cmake_values_readable, replace("CMakeLists.txt", "PET scans", "PET\nscans"), "EXTENSION_DESCRIPTION"),
    (rules.cmake_values_readable, cmake("CATEGORY", "${CATEGORY}"), "EXTENSION_CATEGORY"),
    (rules.cmake_values_readable, replace("CMakeLists.txt", "set(EXTENSION_D", "# set(EXTENSION_D"), "EXTENSION_DESC"),
    (rules.cmake_values_readable, overwrite("CMakeLists.txt", CMAKE.encode() * 2), "once each"),
    (rules.cmake_values_readable, lambda f: (f / "CMakeLists.txt").unlink(), "CMakeLists.txt cannot be read"),
    (rules.cmake_values_readable, cmake("CONTRIBUTORS", " "), "EXTENSION_CONTRIBUTORS"),
    (rules.cmake_description, cmake("DESCRIPTION", "Tumors."), "7 characters"),
    (rules.cmake_description, cmake("DESCRIPTION", "Tumors. " * 100), "800 characters"),
    (rules.cmake_agrees_with_the_entry, cmake("HOMEPAGE", HOMEPAGE.replace("https", "http")), "must be the https"),
    (rules.cmake_agrees_with_the_entry, cmake("HOMEPAGE", "https://example.org"), "must be the https"),
    (rules.cmake_agrees_with_the_entry, cmake("CATEGORY", "Segmentation"), "entry's category is 'Image Synthesis'"),
    (rules.cmake_agrees_with_the_entry, entry(build_dependencies=[]), "build_dependencies are"),
    (rules.icon, cmake("ICONURL", f"{HOMEPAGE}/blob/main/icon.png"), "not GitHub's page"),
    (rules.icon, cmake("ICONURL", f"{RAW}/icon.png".replace("https", "http")), "must begin with https"),
    (rules.icon, cmake("ICONURL", f"{RAW}/icon.png".replace("/main/", "/master/")), "must begin with"),
    (rules.icon, cmake("ICONURL", f"{RAW}/missing.png"), "no file in the export"),
    (rules.icon, cmake("ICONURL", f"{RAW}/one.png"), "640 x 480"),
    (rules.icon, overwrite("icon.png", b"GIF89a"), "no PNG"),
    (rules.screenshots, cmake("SCREENSHOTURLS", ""), "no readable EXTENSION_SCREENSHOTURLS"),
    (rules.screenshots, cmake("SCREENSHOTURLS", f"{RAW}/one.png {RAW}/three.png"), r"three\.png has no file"),
    (rules.screenshots, overwrite("two.png", png(100, 500)), "100 x 500"),
    (rules.license_file, remove("LICENSE"), "no license file"),
    (rules.license_file, rename("LICENSE", "LICENSE.md"), "no license file"),
    (rules.license_file, overwrite("LICENSE", b"All rights reserved"), "does not hold the Apache"),
    (rules.license_file, replace("README.md", "Apache", "Some"), "does not name the license"),
    (rules.homepage, replace("README.md", "# TumorGen", "# Tumors"), "must be a heading with TumorGen"),
    (rules.homepage, replace("README.md", "one.png", "three.png"), "three.png"),
    (rules.homepage, replace("README.md", "![What it does](one.png)", '<img src="three.png" alt="">'), "three.png"),
    (rules.homepage, replace("README.md", "![What it does](one.png)", ""), "no picture"),
    (rules.homepage, lambda f: (f / "README.md").unlink(), "README.md cannot be read"),
    (rules.publication, replace("README.md", "2505.24687", "2505.00000"), "no link to the publication"),
    (rules.file_names, add("what?.txt"), r"what\?\.txt"),
    (rules.file_names, add("docs/aux.md"), r"docs/aux\.md"),
    (rules.file_names, add("docs /a.md"), "docs /a.md"),
    (rules.file_names, add("übung.md"), "übung.md"),
    (rules.file_names, add("a/" * 75 + "b"), "up to 150 characters"),
    (rules.file_names, add("readme.MD"), "differ in case only"),
    (rules.file_names, lambda f: ((f / "link").symlink_to("tool"), git(f, "add", "link")), "symbolic links"),
    (rules.no_binaries, add("bin/run.EXE"), "run.EXE"),
    (rules.no_binaries, add("Resources/model.pt"), "model.pt"),
]


@pytest.mark.parametrize(
    ("rule", "spoil", "complaint"), BROKEN, ids=[f"{rule.__name__}-{complaint}" for rule, _, complaint in BROKEN]
)
def test_a_bad_export_breaks_its_rule(
    spoiled: Path, rule: Callable[[Release], str | None], spoil: Spoil, complaint: str
) -> None:
    assert judge(rule, Release(spoiled)).verdict is Verdict.OK
    spoil(spoiled)
    finding = judge(rule, Release(spoiled))
    assert finding.verdict is Verdict.FAILED
    assert re.search(complaint, finding.text), finding.text
    assert "\n" not in finding.text, "one line a rule"


def test_every_rule_has_an_export_that_breaks_it() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(rules.RULES) - {rules.patents}


def test_patents_are_a_question_for_a_person_when_no_text_names_them(spoiled: Path) -> None:
    replace("README.md", "No patent is known.", "")(spoiled)
    assert judge(rules.patents, Release(spoiled)).verdict is Verdict.PERSON


def test_a_broken_export_gets_a_finding_for_every_rule(tmp_path: Path) -> None:
    """No rule ends in a traceback where another rule's file is missing."""
    (tmp_path / "empty").mkdir()
    findings = judge_all(Release(tmp_path / "empty"))
    assert {finding.rule for finding in findings} == {
        *(rule.__name__.replace("_", " ") for rule in rules.RULES),
        *rules.FOR_A_PERSON,
    }


# The command --------------------------------------------------------------------------------------


def test_the_command_prints_a_line_a_rule_and_the_steps(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--repository", str(source), "--output", str(tmp_path / "x")]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    findings = judge_all(Release(tmp_path / "x"))
    assert len(findings) == len(rules.RULES) + len(rules.FOR_A_PERSON) - 1
    for finding in findings:
        assert sum(line.startswith(finding.verdict.value) and f" {finding.rule}: " in line for line in lines) == 1
    assert "No rule failed." in lines
    assert command.steps() in printed.out
    assert printed.err == ""


def test_the_command_fails_with_a_rule(own_source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own_source / "LICENSE").unlink()
    commit(own_source, "no license")
    assert command.main(["--repository", str(own_source), "--output", str(tmp_path / "x")]) == 1
    assert "Failed rules: 1. Do not publish" in capsys.readouterr().out


def test_the_command_refuses_uncommitted_changes_or_warns(
    own_source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_source / "new.txt").touch()
    where = ["--repository", str(own_source), "--output", str(tmp_path / "x")]
    assert command.main(where) == 1
    assert "ALLOW_DIRTY=1" in capsys.readouterr().err
    assert command.main([*where, "--allow-dirty"]) == 0
    assert "Warning: the export does not hold 1 uncommitted changes." in capsys.readouterr().err


def test_the_guide_lists_the_steps_of_a_person() -> None:
    steps = command.steps()
    numbered = [line for line in steps.splitlines() if line[:1].isdigit()]
    assert [int(line.split(".")[0]) for line in numbered] == list(range(1, len(numbered) + 1))
    for needed in ("3d-slicer-extension", ENTRY, "git push", "PyPI", "Zenodo", "tag", "review questions", "addresses"):
        assert needed in steps, needed


# This repository ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """The export of this repository's last commit."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout")
    return Release(export(REPOSITORY, tmp_path_factory.mktemp("release") / "SlicerTumorGen", allow_dirty=True).folder)


@pytest.mark.parametrize("rule", rules.OF_AN_EXPORT, ids=lambda rule: rule.__name__)
def test_this_repository_can_be_published(exported: Release, rule: Callable[[Release], str | None]) -> None:
    """Its own history no longer counts; the other rules are tested on the working tree."""
    finding = judge(rule, exported)
    assert finding == Finding(finding.rule, Verdict.OK, finding.text), finding.text
