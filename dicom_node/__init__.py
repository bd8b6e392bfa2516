"""The DICOM node: images in over DIMSE, out over DICOMweb, one truth in FHIR."""
