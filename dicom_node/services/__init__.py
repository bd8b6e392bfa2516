"""DIMSE services, a file each: see docs/howto/add-a-dicom-service.md."""
