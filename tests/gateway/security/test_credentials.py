"""Stored secrets, HTTP Basic and the UsernameToken."""

import pytest
from lxml import etree

from gateway.errors import ConfigError, Untrusted
from gateway.security import credentials, wsse
from gateway.security.credentials import Account, Credentials
from gateway.soap.envelope import Version


def test_password_and_token_match_their_hashes():
    """Right is right, wrong is wrong, and no hash shows its secret."""
    for make in (credentials.hash_password, credentials.hash_token):
        stored = make("s3cret-\u00e9")
        assert "s3cret" not in stored
        assert stored != make("s3cret-\u00e9")
        assert credentials.matches("s3cret-\u00e9", stored)
        assert not credentials.matches("s3cret-e", stored)


@pytest.mark.parametrize("stored", ["", "plain", "sha256$xx$yy", "scrypt$a$b$c$d$e", "md5$00$00"])
def test_unreadable_hash_is_a_configuration_error(stored):
    """A damaged entry never lets anybody in."""
    with pytest.raises(ConfigError) as caught:
        credentials.matches("x", stored)
    assert "plain" not in str(caught.value)


def test_only_the_right_pair_is_known_later(monkeypatch):
    """The first check is slow, the next one is not; nothing else is remembered."""
    accounts = Credentials(
        {
            "a": Account((credentials.hash_password("one"),), "A"),
            "b": Account((credentials.hash_token("two"),), "B"),
        }
    )
    assert accounts.known("a", "one") is None
    assert accounts.check("a", "one") == "A"
    assert accounts.known("a", "one") == "A"
    assert accounts.check("b", "two") == "B"
    for pair in [("a", "two"), ("b", "one"), ("c", "one"), ("a", ""), ("ao", "ne"), ("", "aone")]:
        assert accounts.check(*pair) is None
        assert accounts.known(*pair) is None
    monkeypatch.delattr("hashlib.scrypt")
    assert accounts.check("a", "one") == "A"


def test_changed_secret_is_not_remembered():
    """Who changes a password is asked for the new one at once."""
    accounts = {"a": Account((credentials.hash_token("one"),), "A")}
    checked = Credentials(accounts)
    assert checked.check("a", "one") == "A"
    accounts["a"] = Account((credentials.hash_token("two"),), "A")
    assert checked.check("a", "one") is None
    assert checked.check("a", "two") == "A"


def test_secrets_have_no_repr():
    """What is printed by accident shows no secret."""
    assert "s3" not in repr(Account(("sha256$s3$s3",), "A"))
    assert "s3" not in repr(wsse.UsernameToken("a", "s3"))


def test_basic_both_ways():
    """What is written is read; a colon belongs to the password."""
    assert credentials.read_basic(credentials.write_basic("u\u00e9", "a:b")) == ("u\u00e9", "a:b")


@pytest.mark.parametrize(
    "header",
    [None, "", "Basic", "Bearer abc", "Basic !!!", "Basic YQ==", "Basic OmI=", "Basic /w=="],
)
def test_unreadable_basic_is_untrusted(header):
    """Whatever stands there, the answer is the same kind of refusal."""
    with pytest.raises(Untrusted):
        credentials.read_basic(header)


def security(inner: str) -> etree._Element:
    return etree.fromstring(
        f'<w:Security xmlns:w="{wsse.WSSE}" xmlns:u="{wsse.WSU}">{inner}</w:Security>'
    )


USER, PASSWORD = "<w:Username>me</w:Username>", "<w:Password>pw</w:Password>"
TYPED = f'<w:Password Type="{wsse.PASSWORD_TEXT}">pw</w:Password>'
NONCE = "<w:Nonce>AAAA</w:Nonce><u:Created>2031-05-02T09:40:00Z</u:Created>"


@pytest.mark.parametrize(
    "token",
    [
        f"<w:UsernameToken>{USER}{PASSWORD}</w:UsernameToken>",
        f'<w:UsernameToken u:Id="x">{USER}{TYPED}</w:UsernameToken>',
        f"<w:UsernameToken>{USER}{TYPED}{NONCE}</w:UsernameToken>",
        f"<u:Timestamp/><w:UsernameToken>{USER}{TYPED}</w:UsernameToken>",
    ],
)
def test_username_token_is_read(token):
    """With and without type, Id, Nonce and Created, as peers send it."""
    found = wsse.read([security(token)])
    assert (found.username, found.password) == ("me", "pw")


DIGEST_TYPE = wsse.PASSWORD_TEXT.replace("PasswordText", "PasswordDigest")
DIGEST = f'<w:Password Type="{DIGEST_TYPE}">x</w:Password>'


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [security("")],
        [security("<w:UsernameToken/>")],
        [security(f"<w:UsernameToken>{USER}</w:UsernameToken>")],
        [security(f"<w:UsernameToken>{PASSWORD}</w:UsernameToken>")],
        [security(f"<w:UsernameToken><w:Username/>{PASSWORD}</w:UsernameToken>")],
        [security(f"<w:UsernameToken>{USER}{USER}{PASSWORD}</w:UsernameToken>")],
        [security(f"<w:UsernameToken>{USER}{PASSWORD}{PASSWORD}</w:UsernameToken>")],
        [security(f"<w:UsernameToken><w:Username>a<b/></w:Username>{PASSWORD}</w:UsernameToken>")],
        [security(f"<w:UsernameToken>{USER}{PASSWORD}</w:UsernameToken>" * 2)],
        [security(f"<w:UsernameToken>{USER}{PASSWORD}</w:UsernameToken>")] * 2,
        [security(f"<w:UsernameToken>{USER}{DIGEST}</w:UsernameToken>")],
        [etree.fromstring(f'<Security xmlns="urn:x">{USER}</Security>'.replace("w:", ""))],
    ],
)
def test_other_tokens_are_untrusted(headers):
    """Missing, doubled, of another type: there is no guessing about identity."""
    with pytest.raises(Untrusted):
        wsse.read(headers)


@pytest.mark.parametrize("version", Version)
def test_username_token_is_written(version):
    """PasswordText, to be understood, and readable by the same rules."""
    block = wsse.write(wsse.UsernameToken("me", "p<w"), version.value)
    assert block.get(f"{{{version.value}}}mustUnderstand") == "1"
    assert block[0].get(f"{{{wsse.WSU}}}Id")
    assert block[0][1].get("Type") == wsse.PASSWORD_TEXT
    found = wsse.read([etree.fromstring(etree.tostring(block))])
    assert (found.username, found.password) == ("me", "p<w")
