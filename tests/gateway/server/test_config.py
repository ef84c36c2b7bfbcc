"""The configuration: what is read, what is refused and on which line."""

import re
import tomllib
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigError
from gateway.server import config
from gateway.server.config_options import Config
from gateway.server.options.declared import Option, options
from gateway.server.options.lines import lines

GATEWAY = """\
[gateway]
public_url = "https://roaming.example.com/"
country = "DE"
party = "rgw"
name = "Example"
"""
OCHP = """
[[party]]
id = "acme"
name = "Acme"
roles = ["cpo"]
country = "DE"
codes = ["DE*ACM"]
protocol = "ochp-1.4"
[party.ochp]
username_in = "acme"
password_in = "secret-in"
"""
OCPI = """
[[party]]
id = "abc"
name = "ABC"
roles = ["emsp"]
country = "ES"
codes = ["ES-ABC"]
protocol = "ocpi-2.2.1"
[party.ocpi]
token_in = "secret-token"
"""
AGREEMENT = """
[[agreement]]
cpo = "acme"
emsp = "ES*ABC"
from = 2024-01-01
"""
WHOLE = GATEWAY + OCHP + OCPI + AGREEMENT


def load(tmp_path: Path, text: str, **environment: str) -> Config:
    path = tmp_path / "roamgate.toml"
    path.write_text(text, "utf-8")
    return config.load(path, environment)


def faults(tmp_path: Path, text: str, **environment: str) -> list[str]:
    """What is reported, without the directory of the test."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, **environment)
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    found = load(tmp_path, WHOLE)
    acme, abc = found.parties
    assert (found.gateway.public_url, found.gateway.party) == ("https://roaming.example.com", "RGW")
    assert (str(found.gateway.listen), found.gateway.admin.port) == ("127.0.0.1:8080", 8081)
    assert acme.roles == ("cpo",)
    assert acme.ochp is not None
    assert acme.ochp.password_in == config.Secret("secret-in")
    assert acme.ocpi is None
    assert abc.ocpi is not None
    assert abc.ocpi.token_in is not None
    assert abc.ocpi.token_in.reveal() == "secret-token"
    assert found.agreements[0].begin == date(2024, 1, 1)
    assert found.agreements[0].modules == config.MODULES
    assert (found.schedule.status, found.schedule.full) == (timedelta(minutes=1), time(3))


def test_a_zone_comes_from_the_country_else_from_the_gateway(tmp_path: Path) -> None:
    text = WHOLE.replace('name = "Example"', 'name = "Example"\ntime_zone = "Europe/Madrid"')
    assert [party.time_zone for party in load(tmp_path, text).parties] == [
        "Europe/Berlin",
        "Europe/Madrid",
    ]


def test_the_database_is_beside_the_file(tmp_path: Path) -> None:
    """Also the default one."""
    assert (
        load(tmp_path, WHOLE).gateway.database.reveal() == f"sqlite:///{tmp_path}/var/roamgate.db"
    )
    for address, expected in (
        ("sqlite:///x.db", f"sqlite:///{tmp_path}/x.db"),
        ("sqlite:////srv/x.db", "sqlite:////srv/x.db"),
        ("postgresql://u:p@db/x", "postgresql://u:p@db/x"),
    ):
        text = WHOLE.replace('name = "Example"', f'name = "E"\ndatabase = "{address}"')
        assert load(tmp_path, text).gateway.database.reveal() == expected


def test_a_misspelt_key_is_told_with_its_line(tmp_path: Path) -> None:
    text = WHOLE.replace('protocol = "ochp-1.4"', 'protocoll = "ochp-1.4"')
    place = line_of(text, "protocoll")
    assert faults(tmp_path, text) == [
        f"roamgate.toml:{line_of(text, '[[party]]')}: party.acme: key 'protocol' is missing",
        f"roamgate.toml:{place}: party.acme: unknown key 'protocoll' (did you mean 'protocol'?)",
    ]


def test_everything_is_reported_together_in_order(tmp_path: Path) -> None:
    text = (
        WHOLE.replace('country = "DE"\nparty', 'country = "DX"\nparty')
        .replace('roles = ["cpo"]', 'roles = ["cpo", "csp"]')
        .replace('token_in = "secret-token"', "token_in = 5\npage_limit = true\nlarge = 1")
        .replace("from = 2024-01-01", 'from = "2024-01-01"\nmodules = ["cdr"]')
    )
    assert faults(tmp_path, text + "\n[extra]\n") == [
        "roamgate.toml:3: gateway.country: 'DX' is no ISO 3166-1 alpha-2 country",
        "roamgate.toml:10: party.acme.roles: 'csp' is none of cpo, emsp, hub, nsp"
        " (did you mean 'nsp'?)",
        "roamgate.toml:26: party.abc.ocpi.token_in: "
        'is no string, { file = "..." } or { env = "..." }',
        "roamgate.toml:27: party.abc.ocpi.page_limit: is a boolean, an integer is meant",
        "roamgate.toml:28: party.abc.ocpi: unknown key 'large'",
        "roamgate.toml:33: agreement[1].from: is a string, a date such as 2024-12-31 is meant",
        "roamgate.toml:34: agreement[1].modules: 'cdr' is none of locations, status, tariffs,"
        " tokens, cdrs, sessions, authorise (did you mean 'cdrs'?)",
        "roamgate.toml:36: unknown key 'extra'",
    ]


WRONG = [
    # what is replaced, by what, on which path, what is said
    ('"https://roaming.example.com/"', '"roaming.example.com"', "gateway.public_url", "absolute"),
    ('"https://roaming.example.com/"', '"https://u@x"', "gateway.public_url", "has a user"),
    ('"https://roaming.example.com/"', '"https://x/?a"', "gateway.public_url", "has a query"),
    ('"https://roaming.example.com/"', '"https://x:99999"', "gateway.public_url", "absolute"),
    ('"https://roaming.example.com/"', '"https://[::1"', "gateway.public_url", "absolute"),
    ('"https://roaming.example.com/"', '"https://a b"', "gateway.public_url", "character"),
    ('party = "rgw"', 'party = "RGWX"', "gateway.party", "party code"),
    ('party = "rgw"', 'party = "RW\u00df"', "gateway.party", "party code"),
    ('party = "rgw"', 'party = "RGW"\nlisten = "8080"', "gateway.listen", "address such as"),
    ('party = "rgw"', 'party = "RGW"\nlisten = "x:65536"', "gateway.listen", "address such as"),
    ('party = "rgw"', 'party = "RGW"\nlisten = "127.0.0.1:8081"', "gateway.admin", "same as"),
    ('party = "rgw"', 'party = "RGW"\ntime_zone = "Europe/Berln"', "gateway.time_zone", "Berlin'?"),
    ('party = "rgw"', 'party = "RGW"\ndatabase = "mysql://x"', "gateway.database", "address"),
    ('party = "rgw"', 'party = "RGW"\ndatabase = "sqlite://"', "gateway.database", "address"),
    ('party = "rgw"', 'party = "RGW"\ntls = 1', "gateway.tls", "a table is meant"),
    ('party = "rgw"', 'party = "RGW"\ntls = {cert="no.pem"}', "gateway.tls.cert", "is no file"),
    ('party = "rgw"', 'party = "RGW"\ntls = {cert="no.pem"}', "gateway.tls", "'key' is missing"),
    ('id = "acme"', 'id = "Acme!"', "party.Acme!.id", "name of small letters"),
    ('name = "Acme"', 'name = " "', "party.acme.name", "is empty"),
    ('roles = ["cpo"]', "roles = []", "party.acme", "at least one"),
    ('roles = ["cpo"]', 'roles = "cpo"', "party.acme.roles", "an array is meant"),
    ('roles = ["cpo"]', 'roles = ["cpo", "cpo"]', "party.acme.roles", "twice"),
    ('codes = ["DE*ACM"]', 'codes = ["XX*ACM"]', "party.acme.codes", "operator or provider id"),
    ('codes = ["DE*ACM"]', 'codes = ["DE*ACME"]', "party.acme.codes", "operator or provider id"),
    ('protocol = "ochp-1.4"', 'protocol = "ochp-1.3"', "party.acme.protocol", "'ochp-1.4'?"),
    ('protocol = "ochp-1.4"', 'protocol = "ocpi-2.2.1"', "party.acme.ochp", "of no use"),
    ('username_in = "acme"', "", "party.acme.ochp", "password_in needs username_in"),
    ('username_in = "acme"\npassword_in = "secret-in"', "", "party.acme", "nobody could call"),
    ('password_in = "secret-in"', 'password_in = ""', "party.acme.ochp.password_in", "is empty"),
    (
        'password_in = "secret-in"',
        'password_in = "a\\u0000"',
        "party.acme.ochp.password_in",
        "contr",
    ),
    ('token_in = "secret-token"', 'token_in = "a b"', "party.abc.ocpi.token_in", "no token"),
    ('token_in = "secret-token"', "", "party.abc", "nobody could call"),
    ('token_in = "secret-token"', 'token_out = "x"', "party.abc.ocpi.token_out", "versions_url"),
    (
        'token_in = "secret-token"',
        'token_in = "secret-token"\nhandshake = false',
        "party.abc.ocpi.handshake",
        "token_in and token_out",
    ),
    (
        'token_in = "secret-token"',
        'token_in = "t"\nendpoints = {"location/SENDER" = "https://x"}',
        "party.abc.ocpi.endpoints",
        "no endpoint",
    ),
    (
        'token_in = "secret-token"',
        'token_in = "t"\npage_limit = 0',
        "party.abc.ocpi.page_limit",
        "not from 1",
    ),
    ('id = "abc"', 'id = "acme"', "party.acme.id", "also that of acme"),
    ('cpo = "acme"', 'cpo = "acne"', "agreement[1].cpo", "neither a party's id"),
    ('cpo = "acme"', 'cpo = "abc"', "agreement[1].cpo", "abc has no role of cpo or hub"),
    ('emsp = "ES*ABC"', 'emsp = "acme"', "agreement[1].emsp", "has no role of emsp"),
    ("from = 2024-01-01", "from = 2024-01-01T00:00:00Z", "agreement[1].from", "a date such"),
    ("from = 2024-01-01", "from = 2024-01-02\nuntil = 2024-01-01", "agreement[1].until", "before"),
    ("from = 2024-01-01", "modules = []", "agreement[1].modules", "is empty"),
]


@pytest.mark.parametrize(("old", "new", "path", "said"), WRONG)
def test_a_wrong_value_is_told(tmp_path: Path, old: str, new: str, path: str, said: str) -> None:
    assert old in WHOLE
    found = faults(tmp_path, WHOLE.replace(old, new, 1))
    matching = [
        fault for fault in found if re.match(rf"roamgate\.toml:\d+: {re.escape(path)}: ", fault)
    ]
    assert any(said in fault for fault in matching), found


@pytest.mark.parametrize(
    "text", ["5", "", "1.5h", "15", "m", "5m2h", "-5m", "0s", "9999999d", "1h "]
)
def test_what_is_no_duration(tmp_path: Path, text: str) -> None:
    (fault,) = faults(tmp_path, f'{WHOLE}\n[schedule]\nstatus = "{text}"\n')
    assert "schedule.status: " in fault


@pytest.mark.parametrize("text", ["3:00", "24:00", "03:60", "03:00:00", "night"])
def test_what_is_no_time_of_day(tmp_path: Path, text: str) -> None:
    (fault,) = faults(tmp_path, f'{WHOLE}\n[schedule]\nfull = "{text}"\n')
    assert "schedule.full: " in fault


def test_a_secret_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    (tmp_path / "pw").write_bytes(b"from a file\r\n")
    text = WHOLE.replace('"secret-in"', '{ file = "pw" }').replace('"secret-token"', '{env="T"}')
    acme, abc = load(tmp_path, text, T="from-env").parties
    assert acme.ochp is not None
    assert abc.ocpi is not None
    assert acme.ochp.password_in == config.Secret("from a file")
    assert abc.ocpi.token_in == config.Secret("from-env")


def test_secrets_that_cannot_be_had(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "large").write_bytes(b"x" * 70000)
    for given, said in (
        ('{ file = "none" }', "none cannot be read: No such file"),
        ('{ file = "binary" }', "binary is no UTF-8 text"),
        ('{ file = "large" }', "large is larger than 65536 bytes"),
        ('{ env = "NONE" }', "the environment has no NONE"),
        ('{ env = "A", file = "b" }', "is no string"),
        ("{ env = 1 }", "is no string"),
    ):
        (fault,) = faults(tmp_path, WHOLE.replace('"secret-in"', given))
        assert f": party.acme.ochp.password_in: {said}" in fault or said in fault


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    found = load(tmp_path, WHOLE)
    shown = f"{found!r} {found} {found.parties[0].ochp!r} {found.gateway.database}"
    assert "secret-in" not in shown
    assert "secret-token" not in shown
    assert "sqlite" not in shown
    again = OCPI.replace('id = "abc"', 'id = "abd"').replace("ES-ABC", "ES-ABD")
    (fault,) = faults(tmp_path, WHOLE + again)
    assert fault.endswith(": party.abd.ocpi.token_in: token is also that of abc")
    for wrong in ('"secret token"', '"secret\u00fc"', '"secrettoken' + "x" * 60 + '"'):
        (fault,) = faults(tmp_path, WHOLE.replace('"secret-token"', wrong))
        assert "secret" not in fault


def test_one_company_may_have_two_systems(tmp_path: Path) -> None:
    """The same code as operator and as provider, but not twice as operator."""
    other = OCPI.replace('"abc"', '"acme-emsp"').replace("ES-ABC", "DE-ACM")
    other = other.replace("secret-token", "other-token")
    assert len(load(tmp_path, WHOLE + other).parties) == 3
    text = WHOLE + other.replace('["emsp"]', '["cpo"]')
    (fault,) = faults(tmp_path, text)
    assert fault.endswith(": party.acme-emsp.codes: cpo code DEACM is also that of acme")


def test_an_agreement_said_twice_is_told(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, WHOLE + AGREEMENT)
    assert "agreement[2]: says again" in fault
    ended = AGREEMENT.replace("from = 2024-01-01", "until = 2023-12-31")
    assert len(load(tmp_path, WHOLE + ended).agreements) == 2
    split = WHOLE + AGREEMENT.replace("from", 'modules = ["cdrs"]\nfrom')
    split = split.replace('emsp = "ES*ABC"', 'emsp = "ES*ABC"\nmodules = ["tokens"]', 1)
    assert len(load(tmp_path, split).agreements) == 2


def test_a_broken_party_makes_no_false_reports_of_its_agreements(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, WHOLE.replace('codes = ["DE*ACM"]', 'codes = ["?"]'))
    assert "party.acme.codes" in fault


def test_an_agreement_of_nobody_is_told(tmp_path: Path) -> None:
    assert len(faults(tmp_path, GATEWAY + AGREEMENT)) == 2


def test_a_wrong_value_is_not_said_to_be_missing(tmp_path: Path) -> None:
    text = WHOLE.replace('"secret-in"', "1").replace('"secret-token"', "2")
    assert len(faults(tmp_path, text)) == 2
    section = OCHP[OCHP.index("[party.ochp]") :]
    assert len(faults(tmp_path, WHOLE.replace(section, "ochp = 1\n"))) == 1
    assert len(faults(tmp_path, "gateway = 1\nparty = 2\nagreement = 3\nschedule = 4")) == 4


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[gateway\n", ":1: "),
        (b"[gateway]\nname = 'x\n", ":3: "),
        (b"[gateway]\nname = '''x\n\n", ":"),
        (b"a = 1\na = 2\n", ":2: Cannot overwrite a value"),
        (b"\n\xff = 1\n", ":2: is no UTF-8 text"),
        (b"a = " + b"[" * 100_000, "nested too deeply"),
        (b"#" * (4 * 1024 * 1024 + 1), "is larger than"),
        (b"", ":1: key 'gateway' is missing"),
    ],
)
def test_what_is_no_toml(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "roamgate.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        config.load(path, {})
    assert said in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        config.load(tmp_path / "none.toml", {})


def test_a_byte_order_mark_and_windows_lines_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "roamgate.toml"
    path.write_bytes(b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode())
    assert len(config.load(path, {}).parties) == 2
    path.write_bytes(WHOLE.replace("DE*ACM", "?").replace("\n", "\r\n").encode())
    with pytest.raises(ConfigError, match=r"roamgate\.toml:12: "):
        config.load(path, {})


TRICKY = '''\
# [not.a.table]
"quoted key" = "# no comment" # a comment
a.b . c = [ 1, # one ]
  [2, 3], { x = "]", y.z = 4 },
]
text = """
[table] = "
\\""" """""
literal = \'\'\'
[[x]] \' \'\'\'
date = 2024-01-01 00:00:00Z

[ table . "sub.table" ]
key = {}
[[many]]
[many.inner]
x = 1
[[many]] # second
[many.inner]
x = 2
[[many.deep]]
y = [
]
[[many.deep]]
'''


def paths(tree: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    return [path for key, value in items for path in ((*at, key), *paths(value, (*at, key)))]


@pytest.mark.parametrize("text", [TRICKY, WHOLE, config.example(), "", "#"])
def test_every_key_has_its_line(text: str) -> None:
    found = lines(text)
    assert set(found) == set(paths(tomllib.loads(text)))


def test_lines_of_tricky_text() -> None:
    found = lines(TRICKY)
    expected: dict[tuple[Any, ...], int] = {
        ("quoted key",): 2,
        ("a", "b", "c"): 3,
        ("a", "b", "c", 1, 0): 4,
        ("a", "b", "c", 2, "y", "z"): 4,
        ("text",): 6,
        ("literal",): 9,
        ("date",): 11,
        ("table", "sub.table", "key"): 14,
        ("many", 0): 15,
        ("many", 0, "inner", "x"): 17,
        ("many", 1): 18,
        ("many", 1, "inner", "x"): 20,
        ("many", 1, "deep", 0, "y"): 22,
        ("many", 1, "deep", 1): 24,
    }
    assert {path: found[path] for path in expected} == expected


def all_options(
    table: Any = Config, at: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], Option]]:
    found = []
    for option in options(table):
        found.append(((*at, option.name), option))
        if option.table is not None:
            found += all_options(option.table, (*at, option.name))
    return found


def named(tree: Any, at: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Values by their keys alone, items of arrays of tables together."""
    found: dict[tuple[str, ...], Any] = {}
    for item in tree if isinstance(tree, list) else [tree]:
        for key, value in item.items():
            found[(*at, key)] = value
            many = isinstance(value, list) and value and isinstance(value[0], dict)
            if isinstance(value, dict) or many:
                found |= named(value, (*at, key))
    return found


def uncommented() -> str:
    return re.sub(r"^# (\[|\w+ = )", r"\1", config.example(), flags=re.MULTILINE)


def test_the_example_loads_as_it_is(tmp_path: Path) -> None:
    assert len(load(tmp_path, config.example()).parties) == 2


def test_the_example_loads_with_all_options(tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir()
    for name in re.findall(r'"(tls/[\w.-]+)"', uncommented()):
        (tmp_path / name).touch()
    assert load(tmp_path, uncommented(), ABC_TOKEN="t").gateway.tls is not None


def test_the_example_has_every_option_and_its_default() -> None:
    example = named(tomllib.loads(uncommented()))
    shown = ("callback_origins", "needs", "trusted", "required", "inclusive_prefixes")
    shown += ("allow_networks", "pinned", "pinned_keys")
    for path, option in all_options():
        assert path in example
        written = option.written_default
        if option.name not in shown and written is not None:
            assert example[path] == written, path
    known = {path for path, _ in all_options()}
    assert {path for path in example if path[:-1] in known or len(path) == 1} - known == {
        ("party", "ocpi", "endpoints", "locations/RECEIVER"),
        ("party", "ocpi", "token_out", "env"),
        ("party", "wss", "required_for", "AddCDRsRequest"),
    }


def test_what_the_adapter_can_be_told_can_be_configured() -> None:
    """Its options without those that the gateway puts in."""
    from adapters.ocpi import settings

    of_adapter = {option.name for option in settings.OPTIONS} - {"public_url", "we"}
    assert of_adapter - {option.name for option in options(config.Ocpi)} == set()


def test_a_partner_s_address_is_left_as_it_is(tmp_path: Path) -> None:
    """A slash at its end may matter to the partner."""
    url = "https://ocpi.example.org/versions/?a=b"
    text = WHOLE.replace("token_in", f'versions_url = "{url}"\ntoken_in')
    ocpi = load(tmp_path, text).parties[1].ocpi
    assert ocpi is not None
    assert ocpi.versions_url == url


def test_the_reference_names_every_option() -> None:
    page = config.reference()
    for path, option in all_options():
        if option.kind:
            assert f"| `{option.name}` | " in page
        else:
            assert f"[{'.'.join(path)}]" in page
        assert option.meaning.replace("|", "\\|") in page


def test_the_schema_has_every_option() -> None:
    schema = config.schema()

    def at(path: tuple[str, ...]) -> dict[str, Any]:
        found: dict[str, Any] = schema
        for key in path:
            found = found.get("items", found)["properties"][key]
        return found

    for path, option in all_options():
        assert at(path)["description"] == option.meaning
        assert ("default" in at(path)) == (option.written_default is not None)
        parent = at(path[:-1])
        assert parent.get("items", parent)["additionalProperties"] is False
    assert schema["required"] == ["gateway"]
    assert schema["properties"]["party"]["items"]["properties"]["protocol"]["enum"] == [
        "ochp-1.4",
        "ocpi-2.2.1",
    ]
