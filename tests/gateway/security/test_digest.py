"""PasswordDigest: right, fresh, once; and nothing that helps to guess."""

from base64 import b64decode, b64encode
from datetime import timedelta
from typing import Any

import pytest
from lxml import etree

from gateway.security import wsse
from gateway.security.digest import Digests, Password
from gateway.security.unverified import Unverified
from gateway.store import SeenMessages, Store
from tests.support.wss import NOW, SOAP_11, SOAP_12

NONCE = b64decode("LKqI6G/AikKCQrN0zqZFlg==")


class Clock:
    now = NOW

    def __call__(self) -> Any:
        return self.now


class Remembered(set[tuple[str, str]]):
    def first_time(self, partner: str, id: str, until: Any) -> bool:
        new = (partner, id) not in self
        self.add((partner, id))
        return new


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def digests(clock: Clock) -> Digests:
    return Digests({"acme": Password("s3cret", "party-1")}, Remembered(), clock)


def token(secret: str = "", nonce: bytes = NONCE, user: str = "acme") -> Any:
    return wsse.digested(user, secret or "s3cret", nonce, NOW)


def refused(digests: Digests, given: wsse.UsernameToken) -> str:
    with pytest.raises(Unverified) as caught:
        digests.check(given)
    return caught.value.code


def test_the_known_answer() -> None:
    """The example of the ONVIF Application Programmer's Guide, 6.1.1.3."""
    value = wsse.digest(NONCE, "2010-09-16T07:50:45Z", "userpassword")
    assert b64encode(value) == b"tuOSpGlFlIXsozq4HFNeeGeFLEI="


def test_a_token_is_good_once(digests: Digests, clock: Clock) -> None:
    assert digests.check(token()) == "party-1"
    assert refused(digests, token()) == "replay"
    assert digests.check(token(nonce=b"another nonce")) == "party-1"
    clock.now += timedelta(minutes=7)
    assert refused(digests, token()) == "timestamp-expired"


@pytest.mark.parametrize(
    "given",
    [
        token("wrong"),
        token(user="nobody"),
        wsse.UsernameToken("acme", "", NONCE, token().created),
        wsse.UsernameToken("acme", "%%%", NONCE, token().created),
        wsse.UsernameToken("acme", token().password, b"other", token().created),
        wsse.UsernameToken("acme", token().password, NONCE, "2031-05-02T12:00:01Z"),
        wsse.UsernameToken("nobody", wsse.digested("", "", NONCE, NOW).password, NONCE,
                           token().created),
    ],
)  # fmt: skip
def test_what_is_wrong_in_any_part(digests: Digests, given: wsse.UsernameToken) -> None:
    assert refused(digests, given) == "credentials"
    assert digests.check(token()) == "party-1", "a wrong one uses up nothing"


@pytest.mark.parametrize(
    ("minutes", "code"), [(-2, "timestamp-future"), (6.1, "timestamp-expired")]
)
def test_what_is_not_of_now(digests: Digests, clock: Clock, minutes: float, code: str) -> None:
    clock.now += timedelta(minutes=minutes)
    assert refused(digests, token()) == code


def test_an_instant_that_is_none(digests: Digests) -> None:
    given = wsse.UsernameToken("acme", "x", NONCE, "yesterday")
    assert refused(digests, given) == "timestamp-form"


def test_the_memory_holds_after_a_restart_and_for_other_processes(
    tmp_path: Any, clock: Clock
) -> None:
    """Two stores on one database are two processes."""
    passwords = {"acme": Password("s3cret", "party-1")}
    stores = [Store(f"sqlite:///{tmp_path}/store.db", clock) for _ in range(2)]
    first, second = (Digests(passwords, SeenMessages(store), clock) for store in stores)
    assert first.check(token()) == "party-1"
    assert refused(second, token()) == "replay"
    for store in stores:
        store.close()
    again = Store(f"sqlite:///{tmp_path}/store.db", clock)
    assert refused(Digests(passwords, SeenMessages(again), clock), token()) == "replay"
    again.close()


# ---------------------------------------------------------------- on the wire


@pytest.mark.parametrize("space", [SOAP_11, SOAP_12])
def test_it_is_written_and_read(space: str) -> None:
    block = wsse.write(token(), space)
    assert b"s3cret" not in etree.tostring(block)
    assert wsse.read([block]) == token()
    assert "acme" in repr(token())
    assert token().password not in repr(token())
    assert "s3cret" not in repr(Password("s3cret", "party-1"))


def changed(tag: str, **attributes: str) -> Any:
    block = wsse.write(token(), SOAP_11)
    (element,) = block.iterfind(f".//{tag}")
    for name, value in attributes.items():
        if name == "text":
            element.text = value
        else:
            element.set(name, value)
    return block


def without(tag: str) -> Any:
    block = wsse.write(token(), SOAP_11)
    (element,) = block.iterfind(f".//{tag}")
    element.getparent().remove(element)
    return block


@pytest.mark.parametrize(
    ("block", "code"),
    [
        (without("{*}Nonce"), "token-form"),
        (without("{*}Created"), "token-form"),
        (changed("{*}Nonce", text=""), "token-form"),
        (changed("{*}Nonce", text="%"), "token-form"),
        (changed("{*}Nonce", text="A" * 5000), "token-form"),
        (changed("{*}Nonce", EncodingType="urn:hex"), "token-form"),
        (changed("{*}Password", Type="urn:md5"), "token-type"),
        (changed("{*}Username", text="u" * 2000), "token-form"),
    ],
)
def test_other_forms_are_refused(block: Any, code: str) -> None:
    with pytest.raises(Unverified) as caught:
        wsse.read([block])
    assert caught.value.code == code


@pytest.mark.parametrize("space", [SOAP_11, SOAP_12])
def test_the_security_header_of_somebody_else_is_not_ours(space: str) -> None:
    """A token for another actor does not count, and does not make ours doubtful."""
    name = "actor" if space == SOAP_11 else "role"
    other = wsse.write(token(user="mallory"), space)
    other.set(f"{{{space}}}{name}", "urn:other")
    assert wsse.read([other, wsse.write(token(), space)]).username == "acme"
    for blocks in ([other], [wsse.write(token(), space)] * 2):
        with pytest.raises(Unverified) as caught:
            wsse.read(blocks)
        assert caught.value.code == "security-header"
