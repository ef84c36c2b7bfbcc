"""Tokens in the Authorization header: every spelling seen in the field, and nothing else."""

import base64

import pytest

from adapters.ocpi.auth import candidates, digest, header, new_token


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("Token abc-123", ("abc-123",)),
        ("TOKEN abc-123", ("abc-123",)),
        ("  token   abc-123  ", ("abc-123",)),
        (f"Token {coded('abc-123')}", (coded("abc-123"), "abc-123")),
        (f"Token {coded('abc-123' + chr(10))}", (coded("abc-123" + chr(10)), "abc-123")),
        (f"Token {coded('x' * 64)}", ("x" * 64,)),
        # the raw value comes first: a token may itself look like Base64
        ("Token YWJj", ("YWJj", "abc")),
    ],
)
def test_spellings_of_a_token(sent, expected):
    """Raw, Base64 and Base64 of a token with a line feed all lead to the token."""
    assert candidates(sent) == expected


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "",
        "Token",
        "Token ",
        "Bearer abc",
        "Basic YWJj",
        "Tokenabc",
        "Token a b",
        "Token \xe9",
        "Token " + "x" * 200,
        "Token a\x00b",
    ],
)
def test_what_is_no_token(sent):
    """Other schemes, blanks, controls and endless values name nobody."""
    assert candidates(sent) == ()


@pytest.mark.parametrize(
    "value",
    [
        "YWJjZA",  # padding left out
        "YWJjZB==",  # stray bits
        "YWJj!ZA==",  # another alphabet
        coded("abc\n\n"),  # more than one line feed
        coded("a b"),
        coded("\xe9"),
    ],
)
def test_base64_is_read_strictly(value):
    """Only the one right spelling is decoded; the rest can still be a raw token."""
    assert candidates(f"Token {value}") == (value,)


def test_sending():
    """What we send is what the other side reads back."""
    token = new_token()

    assert 1 <= len(token) <= 64
    assert token in candidates(header(token, "base64"))
    assert candidates(header(token, "raw"))[0] == token
    assert new_token() != token
    assert digest(token) != digest(new_token())
