"""Makes reports short: a test of one takes seconds instead of minutes. What is cut has tests of its own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from TumorGenCore.evaluation import samples, sites
from TumorGenCore.evaluation.themes import control
from TumorGenCore.evaluation.two_sample import classifiers, comparison, features, mask_test
from TumorGenCore.phantom.phantom import make_phantom

#: Values asked of two targets; the others have their line without a value.
ASKED = {name: values[-1:] if name in ("suv_max", "to_background") else () for name, values in control.ASKED.items()}
#: Sites of the phantom.
PLACES = {name: sites.PHANTOM_SITES[name] for name in ("liver", "right lung", "left thigh")}


@pytest.fixture(autouse=True, scope="package")
def short_reports() -> Iterator[None]:
    """Few folds, trees, halvings, deals and groups of features; small patches; three sites in a coarse phantom.

    The control asks for one value of two targets.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifiers, "FOLDS", 2)
        patch.setattr(classifiers, "TREES", 4)
        patch.setattr(comparison, "HALVINGS", 1)
        patch.setattr(comparison, "DEALS", 1)
        patch.setattr(comparison, "GROUPS", {name: features.GROUPS[name] for name in ("texture", "shape")})
        patch.setattr(mask_test, "DEALS", 1)
        patch.setattr(samples, "_SMALL_PATCH", 24)
        patch.setattr(sites, "PHANTOM_SITES", PLACES)
        patch.setattr(sites, "make_phantom", partial(make_phantom, spacing_mm=(8.0, 8.0, 8.0)))
        patch.setattr(control, "ASKED", ASKED)
        yield
