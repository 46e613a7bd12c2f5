"""Several tumors for one place, the best first; poorer ones are drawn again, up to a limit and never silently.

    best = best_candidates(generator, prepared, seeds=range(3), least_quality=GOOD_QUALITY)
    best.kept[0].made.image, best.kept[0].quality.total, best.remarks

Every front end draws here. What a candidate is, each says itself: ``choose`` only makes, compares and draws again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Generic, TypeVar

from TumorGenCore.lesions.quality import QualityScore

if TYPE_CHECKING:
    from TumorGenCore.insertion.generator import InsertionResult, OnProgress, PreparedBox, ShouldCancel, TumorGenerator
    from TumorGenCore.insertion.uptake_control import UptakeTarget
    from TumorGenCore.method.solver_names import Solver

__all__ = ["Candidate", "Selection", "best_candidates", "check_least_quality", "choose"]

#: Candidates drawn again at most, for each that is wanted.
REDRAWS_EACH = 2
_SEED_END = 2**63

Made = TypeVar("Made")


@dataclass(frozen=True)
class Candidate(Generic[Made]):
    """One try.

    Args:
        seed: that it was made with.
        made: what was made.
        quality: how good it is.
    """

    seed: int
    made: Made
    quality: QualityScore


@dataclass(frozen=True)
class Selection(Generic[Made]):
    """What was chosen, and what for.

    Args:
        kept: as many as were wanted, the best first.
        redrawn: seed and quality of those that were dropped; for each another one was drawn.
        least_quality: the total that was asked for; None where nothing was.
    """

    kept: tuple[Candidate[Made], ...]
    redrawn: tuple[tuple[int, QualityScore], ...]
    least_quality: float | None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was dropped and why, and what is poorer than asked all the same, in plain words."""
        lines = [self.remark, *(self.remark_on(candidate) for candidate in self.kept)]
        return tuple(line for line in lines if line)

    @property
    def remark(self) -> str:
        """How many were dropped and why; empty where none was."""
        if not self.redrawn:
            return ""
        reasons = Counter(quality.weakness for _, quality in self.redrawn)
        count = len(self.redrawn)
        what = f"{count} poorer tumors were dropped and others"
        if count == 1:
            what = "1 poorer tumor was dropped and another"
        return f"{what} drawn: " + ", ".join(f"{n} for {reason}" for reason, n in reasons.most_common()) + "."

    def remark_on(self, candidate: Candidate[Made]) -> str:
        """That one of those kept is poorer than asked, and why; empty where it is not."""
        if self.least_quality is None or candidate.quality.total >= self.least_quality:
            return ""
        words = (
            f"The tumor of seed {candidate.seed} has a quality of {candidate.quality.total:.3f}, less "
            f"than {self.least_quality:g}, and no better one was found."
        )
        return " ".join([words, *candidate.quality.reasons])


def check_least_quality(least_quality: float | None) -> None:
    """Refuse a least quality that is not 0 to 1, with a ``ValueError``; None asks for nothing."""
    if least_quality is not None and not 0 <= least_quality <= 1:
        raise ValueError(f"The least quality is {least_quality}; give a number from 0 to 1.")


def choose(
    make: Callable[[Sequence[int]], Sequence[Made]],
    seeds: Sequence[int],
    quality_of: Callable[[Made], QualityScore],
    least_quality: float | None = None,
    redraw_seeds: Iterable[int] | None = None,
    most_redraws: int | None = None,
) -> Selection[Made]:
    """Make one candidate a seed, and others for those that are poor.

    Args:
        make: candidates of some seeds, in their order. Called with all ``seeds``, then with those of each redraw.
        seeds: as many as are wanted.
        quality_of: of a candidate.
        least_quality: a candidate with a lower total is drawn again; None draws none again.
        redraw_seeds: seeds for that, in order; None counts up from the highest of ``seeds``.
        most_redraws: how many at most; None is two for each seed.

    Raises:
        ValueError: no seed, or a least quality that is not 0 to 1.
    """
    if not seeds:
        raise ValueError("There is no seed; give at least one.")
    check_least_quality(least_quality)
    if redraw_seeds is None:
        redraw_seeds = range(max(seeds) + 1, _SEED_END)
    allowed = REDRAWS_EACH * len(seeds) if most_redraws is None else most_redraws
    spare = islice(redraw_seeds, allowed)
    least = least_quality or 0.0
    kept: list[Candidate[Made]] = []
    redrawn: list[tuple[int, QualityScore]] = []
    batch = list(seeds)
    while batch:
        made = [Candidate(seed, one, quality_of(one)) for seed, one in zip(batch, make(batch), strict=True)]
        ranked = sorted(chain(kept, made), key=lambda candidate: -candidate.quality.total)
        # What is not kept is let go at once: each may hold a whole body.
        kept, dropped = ranked[: len(seeds)], ranked[len(seeds) :]
        redrawn += [(candidate.seed, candidate.quality) for candidate in dropped]
        del made, ranked, dropped
        batch = list(islice(spare, sum(candidate.quality.total < least for candidate in kept)))
    return Selection(tuple(kept), tuple(redrawn), least_quality)


def best_candidates(
    generator: TumorGenerator,
    prepared: PreparedBox,
    seeds: Sequence[int],
    *,
    least_quality: float | None = None,
    redraw_seeds: Iterable[int] | None = None,
    most_redraws: int | None = None,
    steps: int | None = None,
    solver: Solver | None = None,
    target: UptakeTarget | None = None,
    fill: float | None = None,
    on_progress: OnProgress | None = None,
    should_cancel: ShouldCancel | None = None,
) -> Selection[InsertionResult]:
    """Tumors for a prepared box, the best first.

    Args:
        least_quality, redraw_seeds, most_redraws: see ``choose``.
        on_progress: called after each sampling step with the steps done and those of all candidates so far asked for;
            its text says how many are being drawn again.
        others: see ``TumorGenerator.insert``.

    Raises:
        CancelledError: ``should_cancel`` said so.
        ValueError: a setting cannot be used.
    """
    asked = 0

    def make(batch: Sequence[int]) -> list[InsertionResult]:
        nonlocal asked
        before, asked = asked, asked + len(batch)
        again = f"{len(batch)} drawn again, " if before else ""

        def tell(step: int, steps_of_batch: int, doing: str) -> None:
            if on_progress is not None:
                earlier = before * steps_of_batch // len(batch)
                on_progress(earlier + step, earlier + steps_of_batch, again + doing)

        return generator.generate_many(
            prepared,
            seeds=batch,
            steps=steps,
            solver=solver,
            target=target,
            fill=fill,
            on_progress=tell,
            should_cancel=should_cancel,
        )

    return choose(make, seeds, lambda result: result.quality, least_quality, redraw_seeds, most_redraws)
