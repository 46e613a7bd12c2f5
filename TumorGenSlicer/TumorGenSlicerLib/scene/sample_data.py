"""The digital FDG phantom as sample data: computed on this computer, not downloaded."""

from collections.abc import Sequence
from pathlib import Path

import SimpleITK as sitk
import slicer

from TumorGenCore.version import software_version
from TumorGenCore.volumes.write import write_volume

__all__ = ["addPhantom", "registerSampleData"]

#: Highest SUV of the display: the liver is gray, brain and bladder are black.
_SUV_SHOWN = 8.0
#: Its file in Slicer's cache.
_FILE = f"TumorGen-{software_version()}-FDG-phantom.nrrd"


def registerSampleData(thumbnailPath: str) -> None:
    """Puts the phantom on Slicer's Sample Data page, and among the samples of ``SampleData.downloadSample``."""
    import SampleData

    class Phantom(SampleData.SampleDataSource):  # type: ignore[misc]
        """The button calls ``customDownloader``. ``downloadSample`` reads the address, which makes the file."""

        def __str__(self) -> str:
            return str(self.sampleName)  # Slicer compares samples by their texts, for which nothing must be computed.

        @property
        def uris(self) -> list[str]:
            return [_phantomFile().as_uri()]

        @uris.setter
        def uris(self, _addresses: Sequence[str]) -> None: ...

    if not hasattr(slicer.modules, "sampleDataSources"):
        slicer.modules.sampleDataSources = {}
    slicer.modules.sampleDataSources["TumorGen"] = [
        Phantom(
            sampleName="FDG phantom",
            thumbnailFileName=thumbnailPath,
            uris="file:FDG-phantom",
            fileNames=_FILE,
            nodeNames="FDG phantom",
            customDownloader=_load,
        )
    ]


def addPhantom(spacing_mm: Sequence[float] = (4.07, 4.07, 3.0)) -> slicer.vtkMRMLScalarVolumeNode:
    """Makes the phantom and adds it to the scene, in SUV.

    Args:
        spacing_mm: voxel spacing; the default is usual for scanners and takes some seconds.
    """
    from TumorGenCore.phantom.phantom import make_phantom
    from TumorGenCore.volumes.geometry import Grid, ras_to_lps

    image = make_phantom(spacing_mm=spacing_mm)
    ijkToRas = Grid.from_image(image).index_to_lps_matrix
    ijkToRas[:3] = ras_to_lps(ijkToRas[:3].T).T
    node = slicer.util.addVolumeFromArray(sitk.GetArrayFromImage(image), ijkToRas, "FDG phantom")
    node.SetVoxelValueQuantity(_code("126400", "DCM", "Standardized Uptake Value"))
    node.SetVoxelValueUnits(_code("{SUVbw}g/ml", "UCUM", "Standardized Uptake Value body weight"))
    displayNode = node.GetDisplayNode()
    displayNode.SetAndObserveColorNodeID("vtkMRMLColorTableNodeInvertedGrey")
    displayNode.SetAutoWindowLevel(False)
    displayNode.SetWindowLevelMinMax(0.0, _SUV_SHOWN)
    return node


def _phantomFile() -> Path:
    """Returns the phantom as a file in Slicer's cache; makes it if it is not there."""
    from TumorGenCore.phantom.phantom import make_phantom

    path = Path(slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory()) / _FILE
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_volume(make_phantom(), path)
    return path


def _load(_source: object) -> None:
    with slicer.util.tryWithErrorDisplay("The phantom could not be made.", waitCursor=True):
        slicer.util.setSliceViewerLayers(background=addPhantom(), fit=True)


def _code(value: str, scheme: str, meaning: str) -> slicer.vtkCodedEntry:
    entry = slicer.vtkCodedEntry()
    entry.SetValueSchemeMeaning(value, scheme, meaning)
    return entry
