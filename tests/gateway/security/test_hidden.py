"""What is taken out of messages before they are kept."""

import pytest

from gateway.security.hidden import hidden


@pytest.mark.parametrize(
    "said",
    [
        b'<w:Password Type="t">hush</w:Password>',
        b"<Password>hush</Password>",
        b"<a:Password\n x='1'\n>hush</a:Password >",
        b"<w:Password><![CDATA[hush]]></w:Password>",
        b"<w:Password>h<!-- -->hush&amp;</w:Password>",
        b'<w:Password Type="a>b">hush</w:Password>',
        b'{"token":"hush"}',
        b'{"token" :\n "hu\\"hush"}',
        b"Authorization: Token hushhush",
        b"BinarySecurityToken Token hushhush",
        b"'Basic hushhush='; (Bearer hushhush.hush)",
    ],
)
def test_no_secret_is_left(said: bytes) -> None:
    found = hidden(b"<x>before</x>" + said + b"<x>after</x>")
    assert found is not None
    assert b"hush" not in found
    assert b"***" in found
    assert found.startswith(b"<x>before</x>")
    assert found.endswith(b"<x>after</x>")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"<a>Password</a>",
        b'{"token": {"uid": "1"}}',
        b'{"cdr_token": "x", "tokens": "y"}',
        b"<BinarySecurityToken EncodingType='x'/> MyBasic abcdefgh",
        b"Token short",
    ],
)
def test_what_is_no_secret_stays(said: bytes) -> None:
    assert hidden(said) == said


def test_what_cannot_be_searched_is_not_kept() -> None:
    assert hidden("<a>Password</a>".encode("utf-16")) is None


def test_two_passwords_are_both_hidden() -> None:
    found = hidden(b"<Password>a1</Password><b/><Password>a2</Password>")
    assert found == b"<Password>***</Password><b/><Password>***</Password>"


@pytest.mark.parametrize("said", [b"<w:Password>hush", b"<Password>hush</Password" * 100_000])
def test_of_a_password_without_an_end_nothing_is_kept(said: bytes) -> None:
    """And it is found at once that there is none, however often one begins."""
    assert hidden(b"<x/>" + said) is None


def test_a_password_that_is_empty_hides_nothing() -> None:
    assert hidden(b"<Password/><a>shown</a>") == b"<Password/><a>shown</a>"
