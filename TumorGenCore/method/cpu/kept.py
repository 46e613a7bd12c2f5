"""Values that a layer computes once from its parameters and keeps until the parameters change."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

import torch

__all__ = ["Kept", "state_of"]


class Kept:
    """Values computed from a layer's parameters, such as their bfloat16 copies.

    Copies of the layer start without values, so that layers can be copied and pickled as before.
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
        """Returns the value with this name; computes it again if a parameter or a setting has changed.

        Args:
            name: name of the value within the layer.
            parameters: the tensors on which the value depends.
            settings: other things on which it depends, such as the precision.
            make: computes the value.
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
    """Value that changes whenever a parameter becomes another tensor or code writes to it."""
    return tuple((p.data_ptr(), 0 if p.is_inference() else p._version) for p in parameters)
