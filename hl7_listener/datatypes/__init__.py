"""HL7 v2 data types → FHIR data types: pure functions of a repetition and its sender.

HL7 v2.5.1 chapter 2A. Each returns None if there is nothing to say, and raises BadStructure (table
0357: 102) or BadValue (103) for what it cannot read.
"""
