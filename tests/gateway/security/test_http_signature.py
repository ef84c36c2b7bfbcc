"""HMAC over HTTP requests: the published vectors, and everything that must not pass."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.security.http_signature import (
    Answer,
    Message,
    SharedKeys,
    _values,
    content_digest,
    mac,
    read_key,
    sign,
    sign_answer,
    signature_base,
    verify,
    verify_answer,
)
from gateway.security.unverified import Unverified

# RFC 9421, B.1.5
SHARED = base64.b64decode(
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
)
NOW = datetime(2031, 5, 2, 12, tzinfo=UTC)
KEY, NEXT, OTHER = (bytes([number]) * 32 for number in range(1, 4))
KEYS = SharedKeys(secrets=(KEY, NEXT))
URL = "https://gw.example/ocpi/2.2.1/sender/locations?offset=0&limit=5"
FIELDS = {
    "authorization": "Token c2VjcmV0",
    "content-type": "application/json",
    "ocpi-from-party-id": "ABC",
    "x-request-id": "1",
}
MESSAGE = Message("PUT", URL, FIELDS, b'{"id":"1"}')


def test_the_vector_of_rfc_9421_b_2_5():
    fields = {"date": "Tue, 20 Apr 2021 02:07:55 GMT", "content-type": "application/json"}
    parameters = (
        '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"'
    )
    date, media = _values(Message("POST", "", fields, b""), ["date", "content-type"])
    base = signature_base([date, ("@authority", "example.com"), media], parameters)
    assert base64.b64encode(mac(SHARED, base)) == b"pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8="


def test_the_lines_of_rfc_9421_2_2():
    """@method and @target-uri as in the examples of 2.2.1 and 2.2.2."""
    asked = Message("POST", "https://www.example.com/path?param=value", {}, b"")
    base = signature_base(_values(asked, ["@method", "@target-uri"]), "()")
    assert base == (
        b'"@method": POST\n"@target-uri": https://www.example.com/path?param=value\n'
        b'"@signature-params": ()'
    )


@pytest.mark.parametrize(
    ("body", "digest"),
    [
        # RFC 9421, B.2 and RFC 9530, B.1 (with a line feed) and an empty body
        (b'{"hello": "world"}', "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"),
        (b'{"hello": "world"}\n', "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"),
        (b"", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"),
    ],
)
def test_the_vectors_of_content_digest(body, digest):
    assert content_digest(body) == digest


def test_a_digest_by_sha_512():
    """RFC 9421, B.2: what the test request has."""
    digest = (
        "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwE"
        "mTHWXvJwew==:"
    )
    asked = resigned(MESSAGE._replace(body=b'{"hello": "world"}'), digest=digest)
    assert verify(asked, KEYS, NOW, "ocpi-")
    with pytest.raises(Unverified, match="digest"):
        verify(asked._replace(body=b'{"hello": "World"}'), KEYS, NOW, "ocpi-")


def test_a_request_that_another_program_has_signed():
    """By http-message-signatures 3.0.0 (PyPI), which has verified ours too."""
    fields = {
        "authorization": "Token x",
        "content-type": "application/json",
        "ocpi-from-party-id": "ABC",
        "content-length": "7",
        "content-digest": "sha-256=:AVq9f1zFei3ZS3WQ8ErYCEJzkF7jPsXOvq5iJ2qX+GI=:",
        "signature-input": 'pyhms=("@method" "@target-uri" "content-digest" "authorization" '
        '"content-type" "ocpi-from-party-id");created=1935489600;keyid="k1";alg="hmac-sha256";'
        'nonce="abc"',
        "signature": "pyhms=:WTAm3MKHDhqdXJXsizHnPVvYH2oD9n40ODmXHZFds88=:",
    }
    target = "https://gw.example/ocpi/2.2.1/x?b=%20c"
    asked = Message("PUT", target, fields, b'{"a":1}')
    assert verify(asked, KEYS, NOW, "ocpi-").id == "http-signature:abc"


# -- both sides of our own -------------------------------------------------------------------------


def signed(message=MESSAGE, key=KEY, now=NOW):
    """A request as it arrives."""
    added = sign(message, key, "partner", now, "ocpi-")
    fields = message.fields | {name.lower(): value for name, value in added.items()}
    return message._replace(fields=fields)


def resigned(message, parameters=None, names=None, digest=None, key=KEY, label="sig1"):
    """Signed by hand, with anything in it."""
    digest = digest or content_digest(message.body)
    message = message._replace(fields=message.fields | {"content-digest": digest})
    names = names or [
        *("@method", "@target-uri", "content-digest", "authorization", "content-type"),
        "ocpi-from-party-id",
    ]
    listed = " ".join(f'"{name}"' for name in names)
    given = parameters or f';created={int(NOW.timestamp())};nonce="n1";keyid="k"'
    try:
        base = signature_base(_values(message, names), f"({listed}){given}")
    except Unverified:
        base = b""
    value = base64.b64encode(mac(key, base)).decode()
    fields = {"signature-input": f"{label}=({listed}){given}", "signature": f"{label}=:{value}:"}
    return message._replace(fields=message.fields | fields)


@pytest.mark.parametrize("message", [MESSAGE, MESSAGE._replace(method="GET", body=b"")])
@pytest.mark.parametrize("key", [KEY, NEXT])
def test_what_is_signed_is_good(message, key):
    """With the present secret and the next; no two signatures have the same nonce."""
    first = verify(signed(message, key), KEYS, NOW, "ocpi-")
    assert first.until > NOW
    assert verify(signed(message, key), KEYS, NOW, "ocpi-").id != first.id
    assert verify(resigned(message, key=key), KEYS, NOW, "ocpi-").id == "http-signature:n1"


@pytest.mark.parametrize(
    "change",
    [
        {"method": "POST"},
        {"target": URL + "0"},
        {"target": URL.replace("gw.", "other.")},
        {"target": URL.replace("https", "http")},
        {"body": b'{"id":"2"}'},
        {"body": b""},
    ],
)
def test_a_changed_request(change):
    with pytest.raises(Unverified, match=r"signature|digest"):
        verify(signed()._replace(**change), KEYS, NOW, "ocpi-")


@pytest.mark.parametrize(
    "change",
    [
        {"authorization": "Token b3RoZXI="},
        {"content-type": "text/plain"},
        {"ocpi-from-party-id": "XYZ"},
        {"ocpi-to-party-id": "NEW"},
        {"content-digest": content_digest(b"other")},
        {"signature": "roamgate=:AAAA:"},
        {"signature": ""},
        {"signature-input": ""},
        {"content-digest": ""},
    ],
)
def test_a_changed_field(change):
    """Also one that was not there when it was signed."""
    good = signed()
    with pytest.raises(Unverified):
        verify(good._replace(fields=good.fields | change), KEYS, NOW, "ocpi-")


@pytest.mark.parametrize(
    "name", ["authorization", "ocpi-from-party-id", "signature", "signature-input"]
)
def test_a_field_that_is_gone(name):
    good = signed()
    fields = {key: value for key, value in good.fields.items() if key != name}
    with pytest.raises(Unverified):
        verify(good._replace(fields=fields), KEYS, NOW, "ocpi-")


def test_a_field_that_is_not_covered_may_change():
    """Such as those that a proxy adds."""
    good = signed()
    assert verify(
        good._replace(fields=good.fields | {"x-request-id": "2", "via": "proxy"}),
        KEYS,
        NOW,
        "ocpi-",
    )


def test_another_secret():
    for key in (OTHER, b""):
        with pytest.raises(Unverified, match="not with the secret agreed"):
            verify(signed(key=key), KEYS, NOW, "ocpi-")


@pytest.mark.parametrize(
    ("seconds", "said"), [(361, "timestamp-expired"), (-61, "timestamp-future"), (3600, "expired")]
)
def test_an_old_or_early_request(seconds, said):
    made = signed()
    assert verify(made, KEYS, NOW + timedelta(seconds=300), "ocpi-")
    with pytest.raises(Unverified, match=said):
        verify(made, KEYS, NOW + timedelta(seconds=seconds), "ocpi-")


AT = int(NOW.timestamp())
GOOD = f';created={AT};nonce="n"'


@pytest.mark.parametrize(
    "parameters",
    [
        *(';nonce="n";keyid="k"', f";created={AT}", f';created={AT};nonce=""'),
        *(f'{GOOD};alg="hmac-sha512"', f'{GOOD};alg="rsa-v1_5-sha256"', f'{GOOD};alg="none"'),
        *(f'{GOOD};nonce="m"', f"{GOOD};created={AT}", f'{GOOD};unknown="x"', f"{GOOD};x=1"),
        *(f'{GOOD};expires="soon"', f"{GOOD};expires={AT - 100}", f"{GOOD};alg=1"),
        *(';created=999999999999999;nonce="n"', ';created=-1;nonce="n"', ';created=1;nonce="n"'),
        *(';created=1.5;nonce="n"', f';created="{AT}";nonce="n"', f'; created={AT};nonce="n"'),
        *(f"{GOOD};nonce", f"{GOOD};alg=hmac-sha256", GOOD + ";x=" + "1" * 40),
    ],
)
def test_parameters_that_are_not_taken(parameters):
    """However well they are signed."""
    with pytest.raises(Unverified):
        verify(resigned(MESSAGE, parameters), KEYS, NOW, "ocpi-")


ALL = ["@method", "@target-uri", "content-digest", "authorization", "content-type"]


@pytest.mark.parametrize(
    "names",
    [
        *(ALL, [*ALL[1:], "ocpi-from-party-id"], [*ALL, "ocpi-from-party-id", "@method"]),
        *(["@method", "@target-uri"], [*ALL, "ocpi-from-party-id", "@status"], ["@query"]),
        *([*ALL, "ocpi-from-party-id", "absent"], ['@method";req'], ["Content-Digest"], [""]),
    ],
)
def test_components_that_are_not_enough_or_not_known(names):
    with pytest.raises(Unverified):
        verify(resigned(MESSAGE, names=names), KEYS, NOW, "ocpi-")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("signature-input", "{0}, sig2=();created=1"),
        ("signature-input", "sig2{0}"),
        ("signature-input", " {0}"),
        ("signature-input", "{0};"),
        ("signature-input", "{0}" + " " * 3000),
        ("signature", "{0}, sig2=:AAAA:"),
        ("signature", "{0}:"),
        ("signature", "sig1=AAAA"),
        ("content-digest", "{0}, sha-512=:AAAA:"),
        ("content-digest", "md5=:AAAA:"),
        ("content-digest", "SHA-256=:AAAA:"),
    ],
)
def test_fields_of_another_form(name, text):
    good = resigned(MESSAGE)
    fields = good.fields | {name: text.format(good.fields[name])}
    with pytest.raises(Unverified):
        verify(good._replace(fields=fields), KEYS, NOW, "ocpi-")


@given(
    st.sampled_from(["signature-input", "signature", "content-digest"]),
    st.one_of(st.text(max_size=200), st.binary(max_size=200).map(lambda b: b.decode("latin-1"))),
)
def test_garbage_is_refused_and_nothing_else(name, text):
    good = signed()
    with pytest.raises(Unverified):
        verify(good._replace(fields=good.fields | {name: text}), KEYS, NOW, "ocpi-")


@given(st.data())
def test_a_mutation_is_refused(data):
    """One character of one field, anywhere."""
    good = resigned(MESSAGE)
    name = data.draw(st.sampled_from(["signature-input", "signature", "content-digest"]))
    value = good.fields[name]
    place = data.draw(st.integers(0, len(value) - 1))
    other = data.draw(st.characters(max_codepoint=255).filter(lambda c: c != value[place]))
    fields = good.fields | {name: value[:place] + other + value[place + 1 :]}
    if {key: fields[key].replace("sig1", "") for key in fields} == good.fields:
        return
    with pytest.raises(Unverified):
        verify(good._replace(fields=fields), KEYS, NOW, "ocpi-")


def test_keys_are_long_and_not_printed():
    assert read_key(base64.b64encode(KEY).decode()) == KEY
    for text in ("", "AAAA", "no base64!", base64.b64encode(b"x" * 31).decode()):
        with pytest.raises(ValueError, match=r"Base64|bytes"):
            read_key(text)
    assert "secrets=" not in repr(KEYS)
    assert repr(KEY) not in repr(KEYS)


# -- answers ---------------------------------------------------------------------------------------

ANSWERED = {
    "content-type": "application/json",
    "link": '<https://gw.example/next>; rel="next"',
    "x-total-count": "7",
    "ocpi-to-party-id": "ABC",
    "date": "Fri, 02 May 2031 12:00:00 GMT",
}


def answered(request=None, key=KEY, now=NOW, status=200, body=b"[]"):
    """An answer as it arrives."""
    answer = Answer(status, ANSWERED, body, request or signed())
    added = sign_answer(answer, key, "partner", now, "ocpi-")
    fields = answer.fields | {name.lower(): value for name, value in added.items()}
    return answer._replace(fields=fields)


@pytest.mark.parametrize("key", [KEY, NEXT])
def test_an_answer_is_bound_to_its_request(key):
    good = answered(key=key)
    verify_answer(good, KEYS, NOW, "ocpi-")
    for other in (signed(), signed(key=NEXT), MESSAGE, signed(MESSAGE._replace(method="POST"))):
        with pytest.raises(Unverified):  # the first is the same but for its nonce
            verify_answer(good._replace(request=other), KEYS, NOW, "ocpi-")


@pytest.mark.parametrize(
    "change",
    [
        {"status": 201},
        {"body": b"[1]"},
        {"fields": {"x-total-count": "8"}},
        {"fields": {"link": "<https://other.example/>"}},
        {"fields": {"ocpi-to-party-id": "XYZ"}},
        {"fields": {"ocpi-from-party-id": "NEW"}},
        {"fields": {"location": "/new"}},
        {"fields": {"signature": ""}},
        {"fields": {"signature-input": ""}},
        {"fields": {"content-digest": content_digest(b"other")}},
    ],
)
def test_a_changed_answer(change):
    good = answered()
    if "fields" in change:
        change = {"fields": good.fields | change["fields"]}
    with pytest.raises(Unverified):
        verify_answer(good._replace(**change), KEYS, NOW, "ocpi-")


def test_an_answer_that_is_old_or_with_another_secret():
    for made in (answered(key=OTHER), answered(now=NOW - timedelta(hours=1))):
        with pytest.raises(Unverified):
            verify_answer(made, KEYS, NOW, "ocpi-")
    changed = answered()
    verify_answer(changed._replace(fields=changed.fields | {"date": "now"}), KEYS, NOW, "ocpi-")


def test_a_request_is_no_answer_and_an_answer_no_request():
    """What one side has signed for one use cannot be turned into the other."""
    request, answer = signed(), answered()
    with pytest.raises(Unverified, match="coverage"):
        verify_answer(Answer(200, request.fields, request.body, request), KEYS, NOW, "ocpi-")
    with pytest.raises(Unverified, match="coverage"):
        verify(MESSAGE._replace(fields=answer.fields, body=answer.body), KEYS, NOW, "ocpi-")


def test_the_lines_of_an_answer():
    """As RFC 9421, 2.4 writes them."""
    answer = Answer(200, {"content-digest": "sha-256=:x:"}, b"", MESSAGE)
    names = ["@status", "content-digest", "@method;req", "@target-uri;req", "content-type;req"]
    assert signature_base(_values(answer, names), "()") == (
        b'"@status": 200\n"content-digest": sha-256=:x:\n"@method";req: PUT\n'
        b'"@target-uri";req: ' + URL.encode() + b'\n"content-type";req: application/json\n'
        b'"@signature-params": ()'
    )
