"""Every option of the configuration: its name, kind, meaning and default.

Limits: what only a partner can tell (its endpoints, the tokens of a handshake) is kept in the
store; here stands what an operator decides.
Why: an option is declared once; reading, JSON Schema and the reference page follow from here.
"""

from collections.abc import Mapping
from datetime import date, time, timedelta
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Struct

from gateway.security.json_gate import CEILINGS as JSON
from gateway.security.parse import CEILINGS as XML
from gateway.server.options.kinds import whole
from gateway.server.options.secret import Secret
from gateway.server.options.values import (
    BASE_URL,
    CODE,
    COUNTRY,
    CURRENCY,
    DATABASE,
    DATE,
    DURATION,
    ENDPOINT,
    ENDPOINTS,
    FILE,
    HMAC_KEY,
    KEY_ID,
    LANGUAGE,
    LISTEN,
    NAME,
    NETWORK,
    PART,
    PARTS_FOR,
    PARTY_CODE,
    PASSWORD,
    PASSWORD_IN,
    PIN,
    PREFIX,
    ROUTE,
    TEXT,
    TIME,
    TOKEN,
    TOKEN_IN,
    URL,
    ZONE,
    Listen,
)
from gateway.server.reach import Network

Role = Literal["cpo", "emsp", "hub", "nsp"]
Protocol = Literal["ochp-1.4", "ocpi-2.2.1"]
Module = Literal["locations", "status", "tariffs", "tokens", "cdrs", "sessions", "authorise"]
Kept = Literal["cdrs", "sessions", "authorise", "tokens", "tariffs", "locations", "status", "other"]
OcpiModule = Literal["locations", "tariffs", "tokens", "sessions", "cdrs"]
KEPT: tuple[Kept, ...] = (
    "cdrs",
    "sessions",
    "authorise",
    "tokens",
    "tariffs",
    "locations",
    "status",
    "other",
)
MODULES: tuple[Module, ...] = (
    "locations",
    "status",
    "tariffs",
    "tokens",
    "cdrs",
    "sessions",
    "authorise",
)
OCPI_MODULES: tuple[OcpiModule, ...] = ("locations", "tariffs", "tokens", "sessions", "cdrs")


class ServerTls(Struct, frozen=True, kw_only=True):
    """HTTPS on ``listen``."""

    cert: Annotated[Path, FILE, "PEM file: own certificate and those above it"]
    key: Annotated[Path, FILE, "PEM file: its private key"]
    client_ca: Annotated[Path | None, FILE, "PEM file: who issues the partners' certificates"] = (
        None
    )
    client_required: Annotated[bool, "with client_ca: refuse clients without a certificate"] = True
    tls_1_2: Annotated[bool, "allow TLS 1.2 beside 1.3"] = False


class Gateway(Struct, frozen=True, kw_only=True):
    """The gateway itself."""

    public_url: Annotated[
        str, BASE_URL, "what partners reach the gateway by; stands in links and WSDL"
    ]
    country: Annotated[str, COUNTRY, "country of its own OCPI party"]
    party: Annotated[str, PARTY_CODE, "code of its own OCPI party; its role is HUB"]
    name: Annotated[str, TEXT, "its name, as partners see it"]
    listen: Annotated[Listen, LISTEN, "where partners connect"] = Listen("127.0.0.1", 8080)
    admin: Annotated[Listen, LISTEN, "where health, metrics and console are"] = Listen(
        "127.0.0.1", 8081
    )
    database: Annotated[
        Secret,
        DATABASE,
        "sqlite:///path, relative to this file, or postgresql://user:password@host/name",
    ] = Secret("sqlite:///var/roamgate.db")
    time_zone: Annotated[str, ZONE, "of parties whose country has more than one"] = "UTC"
    drain: Annotated[
        timedelta, DURATION, "how long a stop waits for what is under way; see `roamgate serve`"
    ] = timedelta(seconds=5)
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], "the least that is logged"
    ] = "info"
    allow_networks: Annotated[
        tuple[Annotated[Network, NETWORK], ...],
        "networks beside the public internet where parties may be called, such as 10.1.0.0/16",
    ] = ()
    tls: Annotated[ServerTls | None, "HTTPS on `listen`; without it a proxy must end TLS"] = None


class Ochp(Struct, frozen=True, kw_only=True):
    """How to speak OCHP with a party."""

    username_in: Annotated[str | None, TEXT, "what the party presents"] = None
    password_in: Annotated[
        Secret | None,
        PASSWORD_IN,
        "what the party presents, or its stored form (`roamgate keys hash` makes it)",
    ] = None
    password_in_next: Annotated[
        Secret | None, PASSWORD_IN, "accepted as well, while the party changes over"
    ] = None
    wsse_in: Annotated[
        Literal["text", "digest", "either", "basic"],
        "its UsernameToken: PasswordText, or PasswordDigest, which is good once, for five minutes; "
        "basic: HTTP Basic in place of it",
    ] = "text"
    address: Annotated[str | None, URL, "the party's service; without it it is never called"] = None
    live_address: Annotated[str | None, URL, "its live service, if that is elsewhere"] = None
    username_out: Annotated[str | None, TEXT, "what the gateway presents"] = None
    password_out: Annotated[Secret | None, PASSWORD, "what the gateway presents"] = None
    wsse_out: Annotated[
        Literal["text", "digest", "basic"],
        "the gateway's UsernameToken: PasswordText or PasswordDigest; basic: HTTP Basic in place "
        "of it",
    ] = "text"
    evse_id_style: Annotated[
        Literal["keep", "compact", "separated"], "separators of EVSE ids that the party gets"
    ] = "keep"
    mode: Annotated[
        Literal["strict", "lenient"],
        "strict: messages that break the schema are refused; lenient: known deviations are mended "
        "and recorded",
    ] = "lenient"
    din_contract: Annotated[
        Literal["C0", "00"], "what contract ids of DIN SPEC 91286 are widened with"
    ] = "C0"
    token_days: Annotated[
        int, whole(1, 3650), "for how long a token without an expiry date is declared valid"
    ] = 365
    confirm_cdrs: Annotated[
        Literal["immediate", "after", "manual"],
        "when CDRs fetched from the party are confirmed: once stored, once the receiver has "
        "taken them, or by an operator",
    ] = "after"


class Ocpi(Struct, frozen=True, kw_only=True):
    """How to speak OCPI with a party."""

    versions_url: Annotated[str | None, URL, "the party's versions endpoint"] = None
    token_in: Annotated[
        Secret | None,
        TOKEN_IN,
        "what the party presents (to register: token A), or its stored form (`roamgate keys hash`)",
    ] = None
    token_in_next: Annotated[
        Secret | None, TOKEN_IN, "accepted as well, while the party changes over"
    ] = None
    token_out: Annotated[
        Secret | None, TOKEN, "what the gateway presents (to register: token A)"
    ] = None
    handshake: Annotated[bool, "false: both tokens are for good, nobody registers"] = True
    auth_encoding: Annotated[
        Literal["raw", "base64", "auto"], "how token_out is written; auto tries both"
    ] = "base64"
    push: Annotated[tuple[OcpiModule, ...], "what is sent to the party as it changes"] = (
        OCPI_MODULES
    )
    pull: Annotated[tuple[OcpiModule, ...], "what is asked for by schedule"] = OCPI_MODULES
    page_limit: Annotated[int, whole(1, 10_000), "largest page given and asked for"] = 100
    callback_origins: Annotated[
        tuple[Annotated[str, URL], ...],
        "where the party's endpoints may be; without it: the origin of versions_url; without both: "
        "wherever it says, by https on port 443",
    ] = ()
    endpoints: Annotated[
        Mapping[str, str] | None,
        ENDPOINTS,
        "endpoints that the party lists wrongly or not at all, such as "
        '{ "locations/RECEIVER" = "https://..." }',
    ] = None
    needs: Annotated[
        tuple[Annotated[str, ENDPOINT], ...],
        "endpoints without which the gateway does not register, such as locations/SENDER",
    ] = ()
    cdr_location_fallback: Annotated[
        bool, "send CDRs whose site has no known coordinates with 0/0 in their place"
    ] = False
    created_as_200: Annotated[bool, "answer 200 where 201 is due"] = False
    explicit_nulls: Annotated[bool, "write absent optional fields as null"] = False
    trailing_slash: Annotated[
        bool, "end the URLs that are called, and those that are listed, with a slash"
    ] = False


class ClientTls(Struct, frozen=True, kw_only=True):
    """TLS towards a party."""

    ca: Annotated[
        Path | None, FILE, "PEM file: whom to trust; without it: `pinned`, else the system's"
    ] = None
    crl: Annotated[
        Path | None,
        FILE,
        "with ca: PEM or DER file, what it has withdrawn; one that has run out refuses all",
    ] = None
    pinned: Annotated[
        tuple[Annotated[Path, FILE], ...],
        "PEM files: the certificates of the party's server, the present and the next one; no other "
        "is accepted",
    ] = ()
    pinned_keys: Annotated[
        tuple[Annotated[str, PIN], ...],
        "or hashes of their public keys, such as sha256//... (`roamgate keys pin` makes them)",
    ] = ()
    cert: Annotated[Path | None, FILE, "PEM file: the certificate to show"] = None
    key: Annotated[Path | None, FILE, "PEM file: its private key"] = None
    tls_1_2: Annotated[bool, "allow TLS 1.2 beside 1.3"] = False


class TlsIn(Struct, frozen=True, kw_only=True):
    """What a party has to show when it connects over TLS."""

    trusted: Annotated[
        tuple[Annotated[Path, FILE], ...],
        "PEM files: certificates of the party, the present and the next one",
    ] = ()
    authority: Annotated[Path | None, FILE, "PEM file: who issues the party's certificates"] = None
    subject: Annotated[
        str | None, TEXT, "with authority: what the subject has to hold, such as CN=acme,O=Acme"
    ] = None
    crl: Annotated[
        Path | None,
        FILE,
        "with authority: PEM or DER file, what it has withdrawn; one that has run out refuses all",
    ] = None
    alone: Annotated[
        bool, "the certificate says who it is, and messages need no username (OCHP)"
    ] = False


class Waiver(Struct, frozen=True, kw_only=True):
    """A weak algorithm that is accepted from a party for a while."""

    algorithm: Annotated[Literal["rsa-sha1", "ecdsa-sha1", "sha1"], "what is accepted"]
    until: Annotated[date, DATE, "last day, UTC"]


class Wss(Struct, frozen=True, kw_only=True, rename={"waivers": "waiver"}):
    """WS-Security signatures with a party."""

    key: Annotated[Path | None, FILE, "PEM file: private key that signs what the party gets"] = None
    certificate: Annotated[Path | None, FILE, "PEM file: its certificate"] = None
    algorithm: Annotated[
        Literal[
            "rsa-sha256",
            "rsa-sha384",
            "rsa-sha512",
            "ecdsa-sha256",
            "ecdsa-sha384",
            "ecdsa-sha512",
        ]
        | None,
        "of the signature; without it SHA-256",
    ] = None
    key_reference: Annotated[
        Literal["binary-token", "x509-data", "issuer-serial", "key-identifier", "thumbprint"],
        "how the certificate is named",
    ] = "binary-token"
    inclusive_prefixes: Annotated[
        tuple[Annotated[str, PREFIX], ...],
        "InclusiveNamespaces PrefixList, for a party that cannot do without",
    ] = ()
    trusted: Annotated[
        tuple[Annotated[Path, FILE], ...],
        "PEM files: certificates of the party, the present and the next one; with these or an "
        "authority, what the party has not signed is refused",
    ] = ()
    authority: Annotated[Path | None, FILE, "PEM file: who issues the party's certificates"] = None
    subject: Annotated[
        str | None, TEXT, "with authority: what the subject has to hold, such as CN=acme,O=Acme"
    ] = None
    crl: Annotated[
        Path | None,
        FILE,
        "with authority: PEM or DER file, what it has withdrawn; one that has run out refuses all",
    ] = None
    required: Annotated[
        tuple[Annotated[str, PART], ...],
        "what has to be signed besides Body and Timestamp; such headers are signed too in what "
        "the party gets",
    ] = ()
    required_for: Annotated[
        Mapping[str, frozenset[str]] | None,
        PARTS_FOR,
        'more of it by request element, such as { AddCDRsRequest = ["UsernameToken"] }',
    ] = None
    max_age: Annotated[timedelta, DURATION, "how old a message may be"] = timedelta(minutes=5)
    skew: Annotated[timedelta, DURATION, "how far the clocks may be apart"] = timedelta(seconds=60)
    waivers: Annotated[
        tuple[Waiver, ...], "A weak algorithm that is accepted from the party for a while."
    ] = ()


class HttpSignature(Struct, frozen=True, kw_only=True):
    """HMAC signatures of messages with a JSON party (RFC 9421)."""

    secret_in: Annotated[
        Secret | None,
        HMAC_KEY,
        "Base64 of 32 bytes or more; with it, what is not signed is refused",
    ] = None
    secret_in_next: Annotated[
        Secret | None, HMAC_KEY, "accepted as well, while the party changes over"
    ] = None
    secret_out: Annotated[Secret | None, HMAC_KEY, "signs the requests that the party gets"] = None
    key_id_out: Annotated[str, KEY_ID, "what the party calls that secret"] = "roamgate"
    answers_signed: Annotated[
        bool, "the party signs its answers too, with secret_out: another answer is not believed"
    ] = False
    max_age: Annotated[timedelta, DURATION, "how old a request may be"] = timedelta(minutes=5)
    skew: Annotated[timedelta, DURATION, "how far the clocks may be apart"] = timedelta(seconds=60)


class PartnerLimits(Struct, frozen=True, kw_only=True):
    """What one partner gets; what is over is told to come back later.

    Several workers share it equally, whichever of them a connection is with. That nobody waits
    behind a busy partner is the work of its places; the rate, more than a process can answer unless
    something smaller is agreed, is not what slows a partner down.
    """

    rate: Annotated[int, whole(1, 100_000), "requests a second, in the long run"] = 10_000
    burst: Annotated[int, whole(1, 1_000_000), "requests at once"] = 20_000
    concurrent: Annotated[int, whole(1, 1000), "requests worked on at the same time"] = 32
    waiting: Annotated[int, whole(0, 10_000), "requests that wait for their turn"] = 90


class Party(Struct, frozen=True, kw_only=True):
    """A partner that the gateway is connected to."""

    id: Annotated[str, NAME, "what it is called in this file, in logs and in the console"]
    name: Annotated[str, TEXT, "its name"]
    roles: Annotated[tuple[Role, ...], "what it is"]
    country: Annotated[str, COUNTRY, "where it is"]
    codes: Annotated[
        tuple[Annotated[str, CODE], ...],
        "its operator and provider ids, such as DE*ACM, DE-ABC; the first is its OCPI "
        "party; those of all who are behind it, if it is a hub",
    ]
    protocol: Annotated[Protocol, "what it speaks"]
    time_zone: Annotated[
        str | None, ZONE, "of its local times; without it: the country's, else the gateway's"
    ] = None
    language: Annotated[str | None, LANGUAGE, "of its texts that name none"] = None
    currency: Annotated[str | None, CURRENCY, "of its amounts that name none"] = None
    authorise_within: Annotated[
        timedelta, DURATION, "how long a driver may wait for this party's word"
    ] = timedelta(seconds=5)
    connect_timeout: Annotated[timedelta, DURATION, "how long connecting may take"] = timedelta(
        seconds=10
    )
    answer_timeout: Annotated[timedelta, DURATION, "how long an answer may take"] = timedelta(
        seconds=60
    )
    allow_networks: Annotated[
        tuple[Annotated[Network, NETWORK], ...],
        "networks beside those of the gateway where this party may be called",
    ] = ()
    limits: Annotated[
        PartnerLimits | None, "another share for this party than `limits.partner`"
    ] = None
    ochp: Annotated[Ochp | None, "needed when `protocol` is OCHP"] = None
    ocpi: Annotated[Ocpi | None, "needed when `protocol` is OCPI"] = None
    tls: Annotated[ClientTls | None, "TLS when the party is called"] = None
    tls_in: Annotated[
        TlsIn | None,
        "the client certificate that the party has to show: its messages over any other "
        "connection are refused",
    ] = None
    http_signature: Annotated[
        HttpSignature | None, "HMAC signatures of messages (RFC 9421), for JSON parties that can"
    ] = None
    wss: Annotated[
        Wss | None, "WS-Security signatures, if the party wants them (OCHP itself does not)"
    ] = None


class Agreement(Struct, frozen=True, kw_only=True, rename={"begin": "from", "end": "until"}):
    """A roaming agreement: what may pass between a CPO and an EMSP."""

    cpo: Annotated[str, TEXT, "a party's id, or one of its operator ids"]
    emsp: Annotated[str, TEXT, "a party's id, or one of its provider ids"]
    modules: Annotated[tuple[Module, ...], "what passes"] = MODULES
    begin: Annotated[date | None, DATE, "first day, UTC"] = None
    end: Annotated[date | None, DATE, "last day, UTC"] = None


class Schedule(Struct, frozen=True, kw_only=True):
    """How often parties are asked for news."""

    status: Annotated[timedelta, DURATION, "EVSE status"] = timedelta(seconds=60)
    locations: Annotated[timedelta, DURATION, "changed locations and tariffs"] = timedelta(
        minutes=15
    )
    tokens: Annotated[timedelta, DURATION, "changed tokens"] = timedelta(minutes=5)
    cdrs: Annotated[timedelta, DURATION, "CDRs and sessions"] = timedelta(minutes=15)
    full: Annotated[time, TIME, "when whole lists are fetched, in the party's time zone"] = time(3)


class Outbox(Struct, frozen=True, kw_only=True):
    """How deliveries that a partner has not taken are tried again."""

    first_pause: Annotated[
        timedelta, DURATION, "until a delivery is tried again; each further pause is twice as long"
    ] = timedelta(seconds=5)
    longest_pause: Annotated[
        timedelta, DURATION, "the longest pause, also where a partner asks for more (Retry-After)"
    ] = timedelta(minutes=15)
    give_up: Annotated[timedelta, DURATION, "after how long a delivery is given up"] = timedelta(
        days=2
    )


class Retention(Struct, frozen=True, kw_only=True):
    """How long messages are kept in the ledger, and deliveries in the outbox."""

    cdrs: Annotated[timedelta, DURATION, "messages about CDRs"] = timedelta(days=366)
    sessions: Annotated[timedelta, DURATION, "messages about sessions"] = timedelta(days=90)
    authorise: Annotated[timedelta, DURATION, "questions whether a driver may charge"] = timedelta(
        days=90
    )
    tokens: Annotated[timedelta, DURATION, "messages about tokens"] = timedelta(days=30)
    tariffs: Annotated[timedelta, DURATION, "messages about tariffs"] = timedelta(days=90)
    locations: Annotated[timedelta, DURATION, "messages about locations"] = timedelta(days=30)
    status: Annotated[timedelta, DURATION, "messages about EVSE status"] = timedelta(days=3)
    other: Annotated[timedelta, DURATION, "all other messages"] = timedelta(days=30)
    delivered: Annotated[timedelta, DURATION, "deliveries that were taken"] = timedelta(days=7)
    dead: Annotated[timedelta, DURATION, "deliveries that were given up"] = timedelta(days=366)
    messages: Annotated[
        int, whole(1000, 1_000_000_000), "messages kept at most; beyond it the oldest go first"
    ] = 10_000_000
    hashed: Annotated[
        tuple[Kept, ...], "of which messages only a hash is kept, not what they said"
    ] = ()


class XmlLimits(Struct, frozen=True, kw_only=True):
    """What a SOAP message may have at most."""

    list_bytes: Annotated[
        int,
        whole(1024, 16 * 1024**3),
        "size of a whole list, which is read item by item from a file",
    ] = 2_147_483_648
    bytes: Annotated[
        int,
        whole(1024, XML.bytes),
        "size of what is read whole: signed, or no plain list; as received and again as UTF-8",
    ] = 67_108_864
    depth: Annotated[int, whole(8, XML.depth), "levels of nesting"] = 64
    elements: Annotated[int, whole(100, XML.elements), "elements of what is read whole"] = 5_000_000
    attributes: Annotated[int, whole(8, XML.attributes), "attributes on one element"] = 64
    declarations: Annotated[
        int, whole(8, XML.declarations), "namespace declarations, all together"
    ] = 1_000_000
    namespaces: Annotated[int, whole(8, XML.namespaces), "prefixes in scope at one element"] = 64
    text: Annotated[int, whole(1000, XML.text), "characters of one text or attribute"] = 1_048_576


class JsonLimits(Struct, frozen=True, kw_only=True):
    """What a JSON message may have at most."""

    bytes: Annotated[int, whole(1024, JSON.bytes), "size"] = 16_777_216
    depth: Annotated[int, whole(4, JSON.depth), "objects and lists inside each other"] = 32
    members: Annotated[
        int, whole(100, JSON.members), "members of objects and items of lists, all together"
    ] = 2_000_000
    names: Annotated[int, whole(10, JSON.names), "members of one object"] = 1000
    text: Annotated[int, whole(1000, JSON.text), "characters of one string"] = 100_000
    digits: Annotated[
        int, whole(16, JSON.digits), "digits of one number, and size of its exponent"
    ] = 40


class RouteLimits(Struct, frozen=True, kw_only=True):
    """Other limits for one path, such as less on the live service."""

    path: Annotated[str, ROUTE, "path of a SOAP service, or the beginning of those of a protocol"]
    list_bytes: Annotated[int | None, whole(1024, 16 * 1024**3), "as in `soap`"] = None
    bytes: Annotated[int | None, whole(1024, XML.bytes), "as in `soap` or `json`"] = None
    depth: Annotated[int | None, whole(4, XML.depth), "as in `soap` or `json`"] = None
    text: Annotated[int | None, whole(1000, XML.text), "as in `soap` or `json`"] = None
    elements: Annotated[int | None, whole(100, XML.elements), "as in `soap`"] = None
    members: Annotated[int | None, whole(100, JSON.members), "as in `json`"] = None


class Limits(Struct, frozen=True, kw_only=True, rename={"routes": "route"}):
    """What is granted to messages and partners."""

    soap: Annotated[XmlLimits, "What a SOAP message may have at most."] = XmlLimits()
    json: Annotated[JsonLimits, "What a JSON message may have at most."] = JsonLimits()
    partner: Annotated[PartnerLimits, "What one partner gets."] = PartnerLimits()
    connections: Annotated[int, whole(10, 100_000), "open connections of each process"] = 2000
    connections_of_one: Annotated[
        int, whole(1, 100_000), "the same from one address; many behind one proxy"
    ] = 1000
    routes: Annotated[tuple[RouteLimits, ...], "Other limits for one path."] = ()


class Config(
    Struct, frozen=True, kw_only=True, rename={"parties": "party", "agreements": "agreement"}
):
    """What stands in the file."""

    gateway: Annotated[Gateway, "The gateway itself."]
    parties: Annotated[tuple[Party, ...], "A partner that the gateway is connected to."] = ()
    agreements: Annotated[
        tuple[Agreement, ...], "A roaming agreement: what may pass between a CPO and an EMSP."
    ] = ()
    schedule: Annotated[Schedule, "How often parties are asked for news."] = Schedule()
    outbox: Annotated[Outbox, "How deliveries that a partner has not taken are tried again."] = (
        Outbox()
    )
    retention: Annotated[Retention, "How long messages and deliveries are kept."] = Retention()
    limits: Annotated[Limits, "What is granted to messages and partners."] = Limits()
