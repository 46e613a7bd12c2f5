"""The two-sample test of an evaluation: its tumors, copy-paste and rules, each against the real ones in their boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation.features.left_out import LeftOutError
from TumorGenCore.evaluation.features.slice_features import load_slice_features
from TumorGenCore.evaluation.rivals.copy_paste import CopyPaste
from TumorGenCore.evaluation.rivals.donors import Donors
from TumorGenCore.evaluation.rivals.host import Rival
from TumorGenCore.evaluation.rivals.rule_based import RuleBased
from TumorGenCore.evaluation.sites import Shown
from TumorGenCore.training.data.cases import Case
from TumorGenCore.volumes.patch import PatchSettings

if TYPE_CHECKING:
    from TumorGenCore.evaluation.two_sample.comparison import Slices

__all__ = ["check_classifiers", "reference_methods", "slices_if_installed", "told_apart"]


def told_apart(
    shown: Shown, training: Sequence[Case], patch: PatchSettings, tell: Callable[[str], None] = lambda line: None
) -> dict:
    """Tells the tumors at the tumor sites from the real ones there; see ``two_sample_test``.

    Args:
        shown: sites and the tumors inserted there, one per seed.
        training: training cases, from which copy-paste and rules take their lesions; without any they are left out.
        patch: working patch of the bundle.
        tell: called with a line per part.

    Raises:
        LeftOutError: scikit-learn is not installed, or there are fewer than five patients.
    """
    check_classifiers()
    # Imported here, because scikit-learn is optional.
    from TumorGenCore.evaluation.two_sample.boxed import boxed
    from TumorGenCore.evaluation.two_sample.comparison import two_sample_test

    over = [(site, site.real, results) for site, results in shown if site.real is not None]
    methods = {"TumorGen": [boxed(site, one.image, one.mask, one.seed) for site, _, results in over for one in results]}
    for name, method in reference_methods(training, patch).items():
        methods[name] = [boxed(site, *method(site, one.seed), one.seed) for site, _, results in over for one in results]
    return two_sample_test(
        [boxed(site, site.image, real) for site, real, _ in over], methods, slices_if_installed(), tell
    )


def check_classifiers() -> None:
    """Checks that scikit-learn is installed.

    Raises:
        LeftOutError: it is not.
    """
    if find_spec("sklearn") is None:
        raise LeftOutError("scikit-learn is not installed; pip install 'tumorgen[evaluate]'.")


def reference_methods(training: Sequence[Case], patch: PatchSettings) -> dict[str, Rival]:
    """Returns copy-paste and rule-based tumors, by name; none without a training case that has a clear tumor.

    Args:
        training: cases that provide the tumors.
        patch: settings of the working patch.
    """
    try:
        donors = Donors(training)
    except TrainingDataError:
        return {}
    return {"copy-paste": CopyPaste(donors, patch), "by rule": RuleBased(donors.uptake(), patch)}


def slices_if_installed() -> Slices | None:
    """Returns the features of slices; None if their network is not installed."""
    from TumorGenCore.evaluation.two_sample.slices import boxed_slices

    try:
        return boxed_slices(load_slice_features())
    except LeftOutError:
        return None
