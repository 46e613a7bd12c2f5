"""Fixtures of the tests of the extension's packaging."""

from __future__ import annotations

import pytest
from stub_build import REPOSITORY, Extension, install


@pytest.fixture(scope="session")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Extension:
    """This repository's extension, installed into a folder of its own."""
    return install(REPOSITORY, tmp_path_factory.mktemp("build"), tmp_path_factory.mktemp("package"))
