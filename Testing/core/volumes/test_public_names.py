"""The public names of the modules of ``TumorGenCore.volumes`` exist."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import pytest

from TumorGenCore import volumes


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(volumes.__path__)])
def test_public_names_exist(name: str) -> None:
    module = import_module(f"{volumes.__name__}.{name}")
    assert module.__all__
    assert all(hasattr(module, public) for public in module.__all__)
