"""Makes the two-sample test short: it takes seconds instead of minutes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from TumorGenCore.evaluation.two_sample import classifiers, comparison, features

FOLDS = classifiers.FOLDS


@pytest.fixture(autouse=True, scope="package")
def short_reports(short_reports: None) -> Iterator[None]:
    """Few trees and halvings, but more than a report gets in tests, with all folds and groups of features."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifiers, "FOLDS", FOLDS)
        patch.setattr(classifiers, "TREES", 8)
        patch.setattr(comparison, "HALVINGS", 2)
        patch.setattr(comparison, "GROUPS", features.GROUPS)
        yield
