"""The variants that runs have added to a scene."""

from __future__ import annotations

from typing import Any

from TumorGenSlicerLib.scene.result_nodes import Variant, removeNodes

__all__ = ["Results"]


class Results:
    """Variants whose volume and segmentation are still in the scene, grouped by run.

    Args:
        scene: scene of the nodes.
    """

    def __init__(self, scene: Any) -> None:
        self.scene = scene
        self._runs: list[list[Variant]] = []

    @property
    def all(self) -> list[Variant]:
        """The variants, the oldest run first; in each run that has ended, the best first."""
        self.forgetRemovedNodes()
        return [variant for run in self._runs for variant in run]

    def add(self, run: list[Variant], variant: Variant) -> None:
        """Adds a variant to a run, which is the newest run."""
        if not any(known is run for known in self._runs):
            for old in self.all:
                old.tumor = None  # It keeps a copy of the scan.
            self._runs.append(run)
        run.append(variant)

    def finish(self, run: list[Variant], remark: str) -> list[Variant]:
        """Returns the variants of a run that has ended, the best first; adds the remark about redraws to each."""
        self.forgetRemovedNodes()
        run.sort(key=lambda variant: -variant.quality.total)
        for variant in run:
            variant.warnings = (*variant.warnings, *([remark] if remark else []))
        return list(run)

    def remove(self, variant: Variant) -> None:
        """Removes a variant's nodes from the scene, with their displays."""
        removeNodes(self.scene, variant.nodes)
        self.forgetRemovedNodes()

    def removeLast(self) -> bool:
        """Removes the variants of the newest run that still exist; returns False if there are none."""
        self.forgetRemovedNodes()
        if not self._runs:
            return False
        removeNodes(self.scene, [node for variant in self._runs[-1] for node in variant.nodes])
        self.forgetRemovedNodes()
        return True

    def forgetRemovedNodes(self) -> None:
        """Forgets variants whose nodes were removed from the scene."""
        present = self.scene.IsNodePresent
        for run in self._runs:
            run[:] = [v for v in run if present(v.volumeNode) and present(v.segmentationNode)]
            for variant in run:
                if variant.softMaskNode is not None and not present(variant.softMaskNode):
                    variant.softMaskNode = None
        self._runs = [run for run in self._runs if run]
