"""Values made of a layer's parameters once, and kept until the parameters change."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

import torch

__all__ = ["Kept", "state_of"]


class Kept:
    """What a layer has made of its parameters, such as their bfloat16 copies.

    A copy of the layer starts without, so that layers can be copied and pickled as before.
    """

    def __init__(self) -> None:
        self._made: dict[str, tuple[Hashable, torch.Tensor]] = {}

    def of(
        self,
        name: str,
        parameters: Sequence[torch.Tensor],
        settings: Hashable,
        make: Callable[[], torch.Tensor],
    ) -> torch.Tensor:
        """The value of that name, made anew where a parameter or a setting is another one than last time.

        Args:
            name: which of the layer's values.
            parameters: what it is made of.
            settings: what else it depends on, such as the precision.
            make: makes it.
        """
        state = (settings, state_of(parameters))
        found = self._made.get(name)
        if found is None or found[0] != state:
            found = self._made[name] = (state, make())
        return found[1]

    def __deepcopy__(self, memo: object) -> Kept:
        return Kept()

    def __reduce__(self) -> tuple[type[Kept], tuple[()]]:
        return (Kept, ())


def state_of(parameters: Iterable[torch.Tensor]) -> Hashable:
    """Another value whenever a parameter is another tensor or was written to."""
    return tuple((p.data_ptr(), 0 if p.is_inference() else p._version) for p in parameters)
