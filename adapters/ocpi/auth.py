"""Tokens of OCPI and their place in the Authorization header.

Source: OCPI 2.2.1, "Authorization" in the transport chapter; the credentials object.
Wire: ``Authorization: Token <Base64 of the token>``; 2.1.1 and many peers send the token itself.
Limits: a token is 1 to 64 characters from U+0021 to U+007E.
Why: both sample headers of the standard decode to a token with a line feed at its end, and
partners copy ``echo token | base64``; so one line feed is forgiven on receipt, never sent.
"""

import base64
import binascii
import hashlib
import secrets

_MAXIMUM = 64


def new_token() -> str:
    """A fresh credentials token: 256 random bits."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What is kept of a token that a partner presents (hex SHA-256; our tokens are random)."""
    return hashlib.sha256(token.encode()).hexdigest()


def candidates(header: str | None) -> tuple[str, ...]:
    """The tokens that a header may mean, in the order in which they are tried; empty: none.

    >>> candidates("Token c2VjcmV0")
    ('c2VjcmV0', 'secret')
    >>> candidates("token secret!"), candidates("Basic c2VjcmV0"), candidates(None)
    (('secret!',), (), ())
    """
    scheme, _, value = (header or "").strip().partition(" ")
    value = value.strip(" ")
    if scheme.lower() != "token" or not value or len(value) > 2 * _MAXIMUM:
        return ()
    found = [value] if _is_token(value) else []
    decoded = _decoded(value)
    if decoded is not None and _is_token(decoded):
        found.append(decoded)
    return tuple(found)


def _is_token(text: str) -> bool:
    return 1 <= len(text) <= _MAXIMUM and all("!" <= character <= "~" for character in text)


def _decoded(value: str) -> str | None:
    try:
        raw = base64.b64decode(value, validate=True)
        # one spelling per token: no stray bits in the last character
        if base64.b64encode(raw).decode() != value:
            return None
        return raw.decode("ascii").removesuffix("\n")
    except (binascii.Error, ValueError):
        return None


def header(token: str, encoding: str) -> str:
    """The Authorization header that says a token, ``raw`` or ``base64``.

    >>> header("secret", "base64"), header("secret", "raw")
    ('Token c2VjcmV0', 'Token secret')
    """
    said = token if encoding == "raw" else base64.b64encode(token.encode()).decode()
    return f"Token {said}"
