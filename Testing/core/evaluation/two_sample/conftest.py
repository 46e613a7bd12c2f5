"""Makes the two-sample test short: it takes seconds instead of minutes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from TumorGenCore.evaluation.two_sample import classifiers, comparison


@pytest.fixture(autouse=True, scope="package")
def short_reports() -> Iterator[None]:
    """Few trees, halvings and deals, instead of the still fewer and the two groups of features of a report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifiers, "TREES", 8)
        patch.setattr(comparison, "HALVINGS", 2)
        patch.setattr(comparison, "DEALS", 1)
        yield
