"""Text in other clothes: base64, hexadecimal, HTML, JSON.

https://hl7.org/fhirpath/#additional-string-functions
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from typing import TYPE_CHECKING, Final

from fhir_server.fhirpath.functions.strings import of_text
from kernel.errors import BadValue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fhir_server.fhirpath.function import Function


_ESCAPED: Final = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)


def _unquoted(text: str) -> str:
    """Resolve the escapes of a JSON string; a quotation mark that is not escaped stays."""
    found = _ESCAPED.sub(lambda escape: str(json.loads(f'"{escape[0]}"')), text)
    return found.encode("utf-16", "surrogatepass").decode("utf-16")


_ENCODE: Final[Mapping[str, Callable[[str], str]]] = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "urlbase64": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
}
_DECODE: Final[Mapping[str, Callable[[str], str]]] = {
    "base64": lambda text: base64.b64decode(text, validate=True).decode(),
    "urlbase64": lambda text: base64.urlsafe_b64decode(text).decode(),
    "hex": lambda text: bytes.fromhex(text).decode(),
}
_ESCAPE: Final[Mapping[str, Callable[[str], str]]] = {
    "html": lambda text: html.escape(text, quote=True),
    "json": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
}
_UNESCAPE: Final[Mapping[str, Callable[[str], str]]] = {"html": html.unescape, "json": _unquoted}


def _by_name(function: str, forms: Mapping[str, Callable[[str], str]]) -> Function:
    def run(subject: str, form: str) -> str | None:
        if form not in forms:
            known = ", ".join(f"`{name}`" for name in forms)
            raise BadValue(f"`{function}()` knows {known}, not `{form[:40]}`.")
        try:
            return forms[form](subject)
        except (ValueError, binascii.Error):
            return None  # what cannot be decoded has no value

    return of_text(function, run, 1)


FUNCTIONS: Final = (
    _by_name("encode", _ENCODE),
    _by_name("decode", _DECODE),
    _by_name("escape", _ESCAPE),
    _by_name("unescape", _UNESCAPE),
)
