"""How long a stage is trained, and how fast."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LoopSettings"]


@dataclass(frozen=True)
class LoopSettings:
    """How long and how fast.

    Args:
        steps: optimizer steps in all.
        learning_rate: peak of the cosine schedule.
        warmup_steps: linear rise.
        final_share: learning rate at the end, as a share of the peak.
        weight_decay: AdamW's.
        clip_norm: gradients are clipped to this norm.
        ema_decay: of the averaged weights, which are what is kept.
        checkpoint_minutes: time between checkpoints.
        validate_steps: steps between validations and pictures.
        seed: of weights, examples and noise.
    """

    steps: int = 3000
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    final_share: float = 0.01
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    ema_decay: float = 0.998
    checkpoint_minutes: float = 5.0
    validate_steps: int = 250
    seed: int = 0
