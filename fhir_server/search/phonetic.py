"""What a name sounds like: American Soundex, word by word.

https://www.archives.gov/research/census/soundex

FHIR leaves the algorithm to the server: https://hl7.org/fhir/R4/patient.html#search
"""

from __future__ import annotations

import re
from typing import Final

from fhir_server.search.strings import LONGEST, fold

_WORD: Final = re.compile(r"[^\W\d_]+")
_DIGITS: Final = str.maketrans(
    "bfpvcgjkqsxzdtlmnr" + "aeiouy" + "hw", "111122222222334556" + "000000" + "--"
)


def sounds(text: str) -> tuple[str, ...]:
    """Return the codes of the words in a text, without repetition."""
    folded = fold(text[:LONGEST]).replace("'", "").replace("’", "")
    return tuple(dict.fromkeys(soundex(word) for word in _WORD.findall(folded)))


def soundex(word: str) -> str:
    """Return the code of a word in lower case, such as `r163`; the word if it is not Latin."""
    if not word.isascii():
        return word
    digits = word.translate(_DIGITS)
    found, last = "", digits[0]
    for digit in digits[1:]:
        if digit == "-":  # h and w do not separate equal sounds, vowels do
            continue
        if digit not in {last, "0"}:
            found += digit
        last = digit
    return (word[0] + found + "000")[:4]
