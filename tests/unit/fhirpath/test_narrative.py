"""`htmlChecks()`: which XHTML a narrative may hold.

https://hl7.org/fhir/R4/narrative.html#xhtml
"""

from __future__ import annotations

import pytest

from fhir_server.fhirpath import stub, xhtml

OPEN = '<div xmlns="http://www.w3.org/1999/xhtml"'


@pytest.mark.parametrize(
    "inside",
    [
        ">text</div>",
        ">a &lt; b &nbsp; &eacute; &#160;c</div>",
        '><table border="1"><tr><td colspan="2">x</td></tr></table></div>',
        '><a href="https://hl7.org">x</a><img src="#p" alt="y"/></div>',
        ' xml:lang="de" lang="de"><p style="color: red">x</p></div>',
    ],
)
def test_what_is_allowed(inside: str) -> None:
    assert xhtml.is_narrative(OPEN + inside)


@pytest.mark.parametrize(
    "text",
    [
        OPEN + "></div>",
        OPEN + ">  </div>",
        OPEN + "><p>x</div>",
        OPEN + "><script>x</script></div>",
        OPEN + '><p onclick="x()">x</p></div>',
        OPEN + '><a href="java\nscript:x()">x</a></div>',
        OPEN + "><style>x</style></div>",
        OPEN + "><form>x</form></div>",
        OPEN + '><object data="x">x</object></div>',
        "<div>no namespace</div>",
        '<p xmlns="http://www.w3.org/1999/xhtml">x</p>',
        f"<!DOCTYPE div [<!ENTITY a 'x'>]>{OPEN}>&a;</div>",
        OPEN + ">&nothing;</div>",
        OPEN + ">" + "<p>" * 300 + "x" + "</p>" * 300 + "</div>",
        OPEN + ">\ud800</div>",
        "",
        "text",
    ],
)
def test_what_is_not_allowed(text: str) -> None:
    assert not xhtml.is_narrative(text)


@pytest.mark.parametrize(
    ("reference", "resource"),
    [
        ("Patient/1", {"resourceType": "Patient", "id": "1"}),
        ("http://a.example/fhir/Patient/1/_history/2", {"resourceType": "Patient", "id": "1"}),
        ("Patient?identifier=x", {"resourceType": "Patient"}),
        ("urn:uuid:3", None),
        ("#p", None),
        ("Nothing/1", None),
        ("http://a.example/patient", None),
    ],
)
def test_a_reference_tells_a_type(reference: str, resource: object) -> None:
    assert stub(reference) == resource
