"""Languages: the two letters of ISO 639-1 in OCPI, the three of ISO 639-3 in canonical objects.

Source: OCPI 2.2.1 DisplayText.language, Token.language; ISO 639-1, 639-3.
Limits: a language without a two-letter code (Swiss German, say) cannot be named in OCPI.
"""

from gateway import iso
from gateway.mapping.kinds import Kind


def _parse(value: str) -> str:
    if type(value) is not str or len(value) != 2 or not (value.isascii() and value.isprintable()):
        raise ValueError(f"{str(value)[:60]!r} is no language code of two letters")
    return iso.LANGUAGE3.get(value.lower(), value)


def _format(value: str) -> str:
    if not has_code(value):
        raise ValueError(f"{value[:60]!r} has no language code of two letters")
    return iso.LANGUAGE1.get(value, value)


def has_code(value: str | None) -> bool:
    """Whether a canonical language can be named in OCPI.

    >>> has_code("deu"), has_code("gsw"), has_code(None)
    (True, False, False)
    """
    return value is not None and (value in iso.LANGUAGE1 or len(value) == 2)


LANGUAGE = Kind("string(2)", "language", _parse, _format)
