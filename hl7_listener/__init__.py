"""HL7 v2 gateway: MLLP frames in, FHIR transactions through the service, acknowledgements out."""
