"""The variants that runs have added to a scene, and what becomes of them there."""

from __future__ import annotations

from typing import Any

from TumorGenSlicerLib.scene.result_nodes import Variant, removeNodes

__all__ = ["Results"]


class Results:
    """Variants whose volume and segmentation are still in the scene, by the run that made them.

    Args:
        scene: of the nodes.
    """

    def __init__(self, scene: Any) -> None:
        self.scene = scene
        self._runs: list[list[Variant]] = []

    @property
    def all(self) -> list[Variant]:
        """The variants, the oldest run first; of each run that has ended the best first."""
        self.forgetRemovedNodes()
        return [variant for run in self._runs for variant in run]

    def add(self, run: list[Variant], variant: Variant) -> None:
        """Take in a variant of a run, which is the newest one."""
        if not any(known is run for known in self._runs):
            self._runs.append(run)
        run.append(variant)

    def finish(self, run: list[Variant], remark: str) -> list[Variant]:
        """The variants of a run that has ended, the best first; each says what drawing again had to say."""
        self.forgetRemovedNodes()
        run.sort(key=lambda variant: -variant.quality.total)
        for variant in run:
            variant.warnings = (*variant.warnings, *([remark] if remark else []))
        return list(run)

    def remove(self, variant: Variant) -> None:
        """Remove a variant's nodes from the scene, with their displays."""
        removeNodes(self.scene, variant.nodes)
        self.forgetRemovedNodes()

    def removeLast(self) -> bool:
        """Remove the variants of the newest run that are still there; False if there are none."""
        self.forgetRemovedNodes()
        if not self._runs:
            return False
        removeNodes(self.scene, [node for variant in self._runs[-1] for node in variant.nodes])
        self.forgetRemovedNodes()
        return True

    def forgetRemovedNodes(self) -> None:
        """Let go of variants whose nodes somebody has removed."""
        present = self.scene.IsNodePresent
        for run in self._runs:
            run[:] = [v for v in run if present(v.volumeNode) and present(v.segmentationNode)]
            for variant in run:
                if variant.softMaskNode is not None and not present(variant.softMaskNode):
                    variant.softMaskNode = None
        self._runs = [run for run in self._runs if run]
