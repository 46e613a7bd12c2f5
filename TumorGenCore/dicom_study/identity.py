"""The synthetic patient of a study: names, UIDs and dates that do not lead back to the scan."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from TumorGenCore.version import software_version
from TumorGenCore.volumes.dicom_seg import SERIES_DESCRIPTION

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["Identity", "stamp_equipment"]

#: Days that the dates of a study may move into the past.
_LEAST_DAYS, _MOST_DAYS = 366, 3650


@dataclass(frozen=True)
class Identity:
    """What is drawn once for a study.

    Nothing keeps ``salt``, so nobody can compute the new UIDs again from those of the scan.

    Args:
        salt: random bytes.
        days: days that every date of the scan moves by; negative, into the past.
        created: time when the study was made.
    """

    salt: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    days: int = field(default_factory=lambda: -_LEAST_DAYS - secrets.randbelow(_MOST_DAYS - _LEAST_DAYS))
    created: datetime = field(default_factory=lambda: datetime.now(UTC))

    def uid(self, *names: object) -> str:
        """Returns a UID, always the same for the same names: a salted hash in the form of a random UUID (2.25)."""
        digest = hmac.digest(self.salt, "\0".join(map(str, names)).encode(), hashlib.sha256)
        return f"2.25.{UUID(bytes=digest[:16], version=4).int}"

    @property
    def study_uid(self) -> str:
        """StudyInstanceUID of all objects of the study."""
        return self.uid("study")

    def frame_uid(self, source_uid: str) -> str:
        """Returns the new FrameOfReferenceUID in place of that of a series; objects that shared one still do."""
        return self.uid("frame", source_uid)

    def stamp(self, dataset: Dataset, date: str = "", time: str = "") -> None:
        """Writes the modules of patient and study into an object.

        Args:
            dataset: object of the study.
            date: date of the study, moved already; empty if nobody knows it.
            time: its time of day.
        """
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.PatientName = "SYNTHETIC^NOT FOR DIAGNOSIS"
        dataset.PatientID = f"SYNTHETIC-{hashlib.sha256(self.study_uid.encode()).hexdigest()[:12]}"
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = "Synthetic patient; only tags for image, geometry and SUV kept"
        dataset.LongitudinalTemporalInformationModified = "MODIFIED" if date else "REMOVED"
        dataset.PatientBirthDate = ""
        dataset.StudyInstanceUID = self.study_uid
        dataset.StudyID = "SYNTHETIC"
        dataset.StudyDescription = SERIES_DESCRIPTION
        dataset.StudyDate, dataset.StudyTime = date, time
        dataset.AccessionNumber = dataset.ReferringPhysicianName = ""

    def stamp_creation(self, dataset: Dataset) -> None:
        """Writes when an object was made."""
        dataset.InstanceCreationDate = self.created.strftime("%Y%m%d")
        dataset.InstanceCreationTime = self.created.strftime("%H%M%S")


def stamp_equipment(dataset: Dataset, provenance: Mapping[str, Any]) -> None:
    """Writes that TumorGen made an object, and that it is synthetic."""
    dataset.Manufacturer = "TumorGen"
    dataset.ManufacturerModelName = str(provenance["bundle_name"])[:64]
    dataset.DeviceSerialNumber = str(provenance["bundle_hash"])[:16]
    dataset.SoftwareVersions = software_version()
    dataset.SyntheticData = "YES"
