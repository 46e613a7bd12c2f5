"""What a Slicer before 5.12 shows instead of the panel. Any Python 3 can read this file."""

import qt
import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget

__all__ = ["TumorGenSlicerWidget"]


class TumorGenSlicerWidget(ScriptedLoadableModuleWidget):
    """Says which Slicer TumorGen needs."""

    def setup(self) -> None:
        """Builds the panel; Slicer calls this once, when the user first opens the module."""
        ScriptedLoadableModuleWidget.setup(self)
        text = _("TumorGen needs Slicer 5.12 or newer. This is Slicer {version}.")
        label = qt.QLabel(text.format(version=slicer.app.applicationVersion))
        label.wordWrap = True
        self.layout.addWidget(label)
        self.layout.addStretch(1)
