"""Takes secrets out of messages that are kept.

Source: WS-Security UsernameToken Profile 1.0 (Password); OCPI 2.2.1, credentials module (token).
Limits: works on bytes, because they are kept as they came; a message in an encoding in which ASCII
is not itself is kept as nothing but its hash. A contract id or the number of a card is no secret
here: without it a message could not be found or sent again.
"""

import re

MASK = b"***"

_OPENING = re.compile(rb"<(?:[^\s<>/:]{1,64}:)?Password(?:\s[^<>]*)?(?<!/)>")
_CLOSING = re.compile(rb"</(?:[^\s<>/:]{1,64}:)?Password\s*>")
_HEADERS = {
    b"%b " % word: re.compile(rb"%b(?<!\w%b) [A-Za-z0-9+/=._~-]{8,}" % (word, word))
    for word in (b"Token", b"Basic", b"Bearer")
}
"""What a partner that tells its errors in detail repeats of a request's headers. Each begins with
its word, and looks behind only then: that is how a text is searched fast."""
_TOKEN = re.compile(rb'("token"\s{0,99}:\s{0,99})"(?:[^"\\]|\\.)*"')


def hidden(message: bytes) -> bytes | None:
    """The message without passwords and tokens of parties; None when that cannot be told.

    >>> hidden(b'{"token": "f00", "url": "https://a"}')
    b'{"token": "***", "url": "https://a"}'
    >>> hidden(b'<w:Password Type="t">secret</w:Password>')
    b'<w:Password Type="t">***</w:Password>'
    >>> hidden(b"refused: Authorization: Token c2VjcmV0c2VjcmV0")
    b'refused: Authorization: Token ***'
    """
    if b"\0" in message[:4]:
        return None
    if b"Password" in message:
        without = _without_passwords(message)
        if without is None:
            return None
        message = without
    if b'"token"' in message:
        message = _TOKEN.sub(rb'\1"***"', message)
    for word, header in _HEADERS.items():
        if word in message:
            message = header.sub(word + MASK, message)
    return message


def _without_passwords(message: bytes) -> bytes | None:
    """None when one does not end: nobody knows where it does. Each byte is looked at once, which
    one expression for both tags would not do."""
    pieces: list[bytes] = []
    at = 0
    while opening := _OPENING.search(message, at):
        closing = _CLOSING.search(message, opening.end())
        if closing is None:
            return None
        pieces += (message[at : opening.end()], MASK)
        at = closing.start()
    return b"".join((*pieces, message[at:]))
