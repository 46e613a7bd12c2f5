"""Settings of the training loop."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LoopSettings"]


@dataclass(frozen=True)
class LoopSettings:
    """Settings of the training loop: length, learning rate and intervals.

    Args:
        steps: total number of optimizer steps.
        learning_rate: peak of the cosine schedule.
        warmup_steps: steps of the linear rise to the peak.
        final_share: learning rate at the end, as a share of the peak.
        weight_decay: weight decay of AdamW.
        clip_norm: gradients are clipped to this norm.
        ema_decay: decay of the averaged weights, which are the result of the training.
        checkpoint_minutes: time between checkpoints.
        validate_steps: steps between validations and pictures.
        seed: seed of weights, examples and noise.
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
