"""DICOMweb: https://dicom.nema.org/medical/dicom/current/output/html/part18.html."""

from dicom_node.web.wado import router

__all__ = ["router"]
