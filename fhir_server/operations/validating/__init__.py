"""The parts of $validate.

https://hl7.org/fhir/R4/resource-operation-validate.html
"""
