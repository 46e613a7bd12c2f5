"""Keyboard shortcuts of the panel. They work while the panel is visible; in a text field, its own keys go first."""

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

__all__ = ["KEYS", "connectShortcuts"]

#: Key of each action. None is a key of Slicer's main window, its views or its Python console.
KEYS = {
    "place": "Ctrl+P",
    "apply": "Ctrl+Return",
    "undo": "Ctrl+Z",
    "next": "Ctrl+Down",
    "previous": "Ctrl+Up",
}


def connectShortcuts(ui: Any, widget: qt.QWidget, select: Callable[[int], None]) -> None:
    """Makes the shortcuts, and adds them to the tool tips. A button that cannot be pressed has no shortcut either.

    Args:
        ui: the widgets, by their names in the .ui file.
        widget: the panel; Qt uses the shortcuts of visible widgets only.
        select: selects the row so many rows below the selected one.
    """
    presses = {"place": ui.placeBoxButton, "apply": ui.applyButton, "undo": ui.removeLastButton}
    for action, button in presses.items():
        _connect(widget, KEYS[action], button.click)
        button.toolTip = f"{button.toolTip} ({_shown(KEYS[action])})"
    _connect(widget, KEYS["next"], lambda: select(1))
    _connect(widget, KEYS["previous"], lambda: select(-1))
    keys = _("next row {next}, previous row {previous}").format(
        next=_shown(KEYS["next"]), previous=_shown(KEYS["previous"])
    )
    ui.variantsTable.toolTip = f"{ui.variantsTable.toolTip} ({keys})"


def _connect(widget: qt.QWidget, key: str, action: Callable[[], None]) -> None:
    shortcut = qt.QShortcut(widget)
    shortcut.setKey(qt.QKeySequence(key))
    shortcut.connect("activated()", action)


def _shown(key: str) -> str:
    """The key as this system writes it."""
    return str(qt.QKeySequence(key).toString(qt.QKeySequence.NativeText))
