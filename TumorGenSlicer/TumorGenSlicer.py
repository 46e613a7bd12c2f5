"""The TumorGen module of 3D Slicer: inserts synthetic PET tumors with their masks into a rough box.

Any Slicer with Python 3 can read this file. The library needs Slicer 5.12; an older one gets a panel that says so.
"""

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule

try:
    import slicer.packaging
except ImportError:  # Slicer before 5.12
    from TumorGenSlicerLib.panel.old_slicer import TumorGenSlicerWidget

    registerSampleData = None
else:
    from TumorGenSlicerLib.panel.module_logic import TumorGenSlicerLogic
    from TumorGenSlicerLib.panel.module_test import TumorGenSlicerTest
    from TumorGenSlicerLib.panel.widget import TumorGenSlicerWidget
    from TumorGenSlicerLib.scene.sample_data import registerSampleData

__all__ = ["TumorGenSlicer", "TumorGenSlicerLogic", "TumorGenSlicerTest", "TumorGenSlicerWidget"]


class TumorGenSlicer(ScriptedLoadableModule):
    """Title, category and help text that Slicer shows for the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("TumorGen")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Image Synthesis")]
        parent.dependencies = ["Markups", "Segmentations", "SubjectHierarchy", "Terminologies", "Volumes"]
        parent.contributors = ["TumorGen developers"]
        parent.helpText = _(
            "Inserts a synthetic tumor with its mask into an FDG-PET volume. Choose the volume, press "
            "<b>Place box</b>, click in a slice view and press <b>Apply</b>. The result is a new volume and a "
            "segmentation. Your volume does not change, and the new volume differs from it only inside the box.<br>"
            "<b>Research use, not for diagnosis.</b> The images are synthetic."
        )
        parent.acknowledgementText = _(
            "An independent implementation of the method in the paper <i>TumorGen: boundary-aware tumor-mask synthesis "
            "with rectified flow matching</i>."
        )
        if registerSampleData is not None:
            thumbnail = self.resourcePath("Icons/FDGPhantom.png")
            slicer.app.connect("startupCompleted()", lambda: registerSampleData(thumbnail))
