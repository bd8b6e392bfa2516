"""Compile the units of UCUM into `profiles/ucum/units.json`: codes, values and functions, no prose.

https://ucum.org/ucum

    python -m tools.compile_ucum ARCHIVE

ARCHIVE is a ZIP file that holds `ucum-essence.xml` of the UCUM organisation, such as the wheel of
`ucumvert`.
"""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from tools.manifest import PROFILES, record

OUTPUT: Final = PROFILES / "ucum" / "units.json"
NOTICE: Final = (
    "This product includes all or a portion of the UCUM table, UCUM codes, and UCUM definitions or"
    " is derived from it, subject to a license from Regenstrief Institute, Inc. and The UCUM"
    " Organization. Your use of the UCUM table, UCUM codes, UCUM definitions also is subject to"
    " this license, a copy of which is available at https://ucum.org/license. The current complete"
    " UCUM table, UCUM Specification are available for download at https://ucum.org. The UCUM table"
    " and UCUM codes are copyright 1995-2009, Regenstrief Institute, Inc. and the Unified Codes for"
    " Units of Measures (UCUM) Organization. All rights reserved. THE UCUM TABLE (IN ALL FORMATS),"
    ' UCUM DEFINITIONS, AND SPECIFICATION ARE PROVIDED "AS IS." ANY EXPRESS OR IMPLIED WARRANTIES'
    " ARE DISCLAIMED, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND"
    " FITNESS FOR A PARTICULAR PURPOSE."
)
"""What the licence asks to be said wherever the table is distributed."""


def compile(essence: ElementTree.Element) -> dict[str, Any]:
    """Return prefixes, base units and units; of a unit its value, what it is a multiple of, its
    flags (`m` takes prefixes, `a` is arbitrary) and, where it is not linear, its function.
    """
    space = essence.tag.partition("}")[0] + "}"
    return {
        "notice": NOTICE,
        "version": essence.attrib["version"],
        "prefixes": {
            found.attrib["Code"]: child(found, f"{space}value").attrib["value"]
            for found in essence.findall(f"{space}prefix")
        },
        "base": [found.attrib["Code"] for found in essence.findall(f"{space}base-unit")],
        "units": {
            found.attrib["Code"]: unit(found, child(found, f"{space}value"), space)
            for found in essence.findall(f"{space}unit")
        },
    }


def unit(found: ElementTree.Element, value: ElementTree.Element, space: str) -> list[str]:
    flags = ("m" if found.get("isMetric") == "yes" else "") + (
        "a" if found.get("isArbitrary") == "yes" else ""
    )
    function = value.find(f"{space}function")
    if function is None:
        return [value.attrib["value"], value.attrib["Unit"], flags]
    return [function.attrib["value"], function.attrib["Unit"], flags, function.attrib["name"]]


def child(found: ElementTree.Element, name: str) -> ElementTree.Element:
    inside = found.find(name)
    if inside is None:
        raise ValueError(f"`{found.attrib['Code']}` has no `{name}`.")
    return inside


def main() -> None:
    archive = Path(sys.argv[1])
    with zipfile.ZipFile(archive) as content:
        name = next(name for name in content.namelist() if name.endswith("/ucum-essence.xml"))
        table = compile(ElementTree.fromstring(content.read(name)))
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    # One unit a line, so that a change is readable.
    lines = [
        f"{json.dumps(key)}:{{\n"
        + ",\n".join(
            f"{json.dumps(code)}:{json.dumps(row, separators=(',', ':'))}"
            for code, row in part.items()
        )
        + "\n}"
        if isinstance(part, dict)
        else f"{json.dumps(key)}:{json.dumps(part)}"
        for key, part in table.items()
    ]
    OUTPUT.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
    described = {"name": "ucum-essence.xml", "version": table["version"], "license": "UCUM-1.0"}
    record(OUTPUT, made_by="tools/compile_ucum.py", package=archive, described=described)


if __name__ == "__main__":
    main()
