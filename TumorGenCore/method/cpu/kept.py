"""Values that a layer computes from its parameters once, and keeps until the parameters change."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

import torch

__all__ = ["Kept", "state_of"]


class Kept:
    """Values computed from a layer's parameters, such as their bfloat16 copies.

    A copy of the layer starts with none, so that layers can be copied and pickled as before.
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
        """The value of that name. It is computed again where a parameter or a setting differs from last time.

        Args:
            name: which of the layer's values.
            parameters: the tensors on which it depends.
            settings: what else it depends on, such as the precision.
            make: computes it.
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
    """A value that changes whenever a parameter becomes another tensor or somebody writes to it."""
    return tuple((p.data_ptr(), 0 if p.is_inference() else p._version) for p in parameters)
