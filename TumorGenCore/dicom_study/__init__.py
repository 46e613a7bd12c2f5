"""A DICOM study of a synthetic patient: PET series, segmentation, structure set and, if wanted, the CT."""
