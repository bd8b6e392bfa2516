"""DICOM attributes → FHIR R4, as tables; each keyword is checked when its table is imported."""
