"""A configuration file with every option and what it is for; a test loads it."""

EXAMPLE = """\
# Configuration of Roamgate. Options that are commented out show their defaults, or what they look
# like where there is none. Durations: "90s", "15m", "1h30m", "1d".
#
# A secret may stand here, or be fetched: { file = "name" } or { env = "NAME" }.
# Names of files are relative to this file.

[gateway]
public_url = "https://roaming.example.com"  # partners see it in links and WSDL
country = "DE"                              # own OCPI party, role HUB
party = "RGW"
name = "Example Roaming"
# listen = "127.0.0.1:8080"                 # where partners connect
# admin = "127.0.0.1:8081"                  # health, metrics, console
# database = "sqlite:///var/roamgate.db"    # or postgresql://user:password@host/name
# time_zone = "UTC"                         # of parties whose country has more than one
# drain = "5s"                              # how long a stop waits for what is under way
# log_level = "info"                        # debug, info, warning, error
# allow_networks = ["10.1.0.0/16"]          # where parties may be called beside the internet

# [gateway.tls]                             # HTTPS; without it a proxy in front must end TLS
# cert = "tls/server.pem"
# key = "tls/server.key"
# client_ca = "tls/partners.pem"            # partners show certificates issued by it
# client_required = true
# tls_1_2 = false

# --- a charge point operator that speaks OCHP ----------------------------------------------------

[[party]]
id = "acme"                                 # what it is called here, in logs, in the console
name = "Acme Charging"
roles = ["cpo"]                             # cpo, emsp, hub, nsp
country = "DE"
codes = ["DE*ACM"]                          # operator and provider ids; the first is its OCPI party
protocol = "ochp-1.4"
# time_zone = "Europe/Berlin"               # default: the country's, else the gateway's
# language = "de"                           # of texts that name none
# currency = "EUR"                          # of amounts that name none
# authorise_within = "5s"                   # how long a driver may wait for its word
# connect_timeout = "10s"
# answer_timeout = "1m"
# allow_networks = ["10.2.3.4/32"]          # the same for this party alone

# [party.limits]                            # another share than limits.partner
# rate = 10000
# burst = 20000
# concurrent = 32
# waiting = 90

[party.ochp]
username_in = "acme"                        # what it presents
password_in = "change me"                   # or its stored form: roamgate keys hash
# password_in_next = "change me then"       # accepted as well, while the party changes over
# wsse_in = "text"                          # digest: PasswordDigest; either; basic: HTTP Basic
address = "https://ochp.example.net/service/ochp/v1.4"
# live_address = "https://ochp.example.net/live/ochp/v1.4"
username_out = "roamgate"                   # what the gateway presents
password_out = "change me too"
# wsse_out = "text"                         # or digest, or basic
# evse_id_style = "keep"                    # keep, compact, separated
# mode = "lenient"                          # strict: known deviations are refused, not mended
# din_contract = "C0"                       # or "00": what DIN contract ids are widened with
# token_days = 365                          # how long a token without an expiry date is good
# confirm_cdrs = "after"                    # immediate, after (the receiver took them), manual

# [party.tls]                               # when it is called
# ca = "tls/acme-ca.pem"
# crl = "tls/acme-ca.crl"                   # what it has withdrawn
# cert = "tls/client.pem"
# key = "tls/client.key"
# pinned = ["tls/acme-server.pem"]          # its server's certificate: no other is accepted
# pinned_keys = ["sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]  # or its public key
# tls_1_2 = false

# [party.tls_in]                            # when it calls: messages over no other connection
# trusted = ["tls/acme-client-2024.pem", "tls/acme-client-2025.pem"]
# authority = "tls/acme-issuer.pem"         # or: who issues them, and to whom
# subject = "CN=acme,O=Acme Charging"
# crl = "tls/acme-issuer.crl"               # what it has withdrawn
# alone = false                             # true: it presents no username

# [party.wss]                               # WS-Security signatures; OCHP itself has none
# key = "tls/signing.key"                   # signs what it gets
# certificate = "tls/signing.pem"
# algorithm = "rsa-sha256"                  # rsa- or ecdsa-sha256, -sha384, -sha512
# key_reference = "binary-token"            # x509-data, issuer-serial, key-identifier, thumbprint
# inclusive_prefixes = ["soap"]             # for a party that wants a PrefixList
# trusted = ["tls/acme-2024.pem", "tls/acme-2025.pem"]  # its keys: now it has to sign
# authority = "tls/acme-issuer.pem"         # or: who issues them, and to whom
# subject = "CN=acme,O=Acme Charging"
# crl = "tls/acme-issuer.crl"               # what it has withdrawn
# required = ["UsernameToken"]              # has to be signed besides Body and Timestamp
# required_for = { AddCDRsRequest = ["{http://www.w3.org/2005/08/addressing}MessageID"] }
# max_age = "5m"
# skew = "1m"
# [[party.wss.waiver]]                      # a weak algorithm for a party that has no better
# algorithm = "rsa-sha1"
# until = 2024-12-31

# --- a mobility service provider that speaks OCPI ------------------------------------------------

[[party]]
id = "abc"
name = "ABC Mobility"
roles = ["emsp"]
country = "NL"
codes = ["NL-ABC"]
protocol = "ocpi-2.2.1"

[party.ocpi]
versions_url = "https://ocpi.example.org/versions"
token_in = "7f9c2ba4e88f827d616045507605853e"  # or its stored form: roamgate keys hash
# token_in_next = "4c1d9a07e1f04b6c8f1f6f6f2a7e3d55"  # accepted as well, for a change over
# token_out = { env = "ABC_TOKEN" }         # what the gateway presents
# handshake = true                          # false: both tokens are for good, nobody registers
# auth_encoding = "base64"                  # raw, base64, auto
# push = ["locations", "tariffs", "tokens", "sessions", "cdrs"]
# pull = ["locations", "tariffs", "tokens", "sessions", "cdrs"]
# page_limit = 100
# callback_origins = ["https://ocpi.example.org"]
# endpoints = { "locations/RECEIVER" = "https://ocpi.example.org/2.2.1/locations" }
# needs = ["locations/SENDER"]              # without these the gateway does not register
# cdr_location_fallback = false             # send CDRs of unknown sites with coordinates 0/0
# created_as_200 = false                    # for a party that takes 201 for an error
# explicit_nulls = false                    # for a party that misses absent fields
# trailing_slash = false                    # for a party that needs one in its own URLs

# [party.http_signature]                    # HMAC signatures, RFC 9421
# secret_in = "0J6WJ0pZkZxg9kKkq8Z4m8h7v2R1tq3cJ1uYb5eT2Yg="  # what is not signed is refused
# secret_in_next = "b0c5N8Q0yqkYV4mB3cJ2mC9o1pKx8Zl3e6fVt7wXkQM="
# secret_out = "M1dF8s0xkq2q9zqf2eY5g8H3w0m4nT7cV6bJ1kLpR9E="  # signs what it gets
# key_id_out = "roamgate"
# answers_signed = false                    # with secret_out: the party signs its answers too
# max_age = "5m"
# skew = "1m"

# --- who may exchange what with whom -------------------------------------------------------------

[[agreement]]
cpo = "acme"                                # a party's id or one of its codes
emsp = "NL-ABC"
# modules = ["locations", "status", "tariffs", "tokens", "cdrs", "sessions", "authorise"]
# from = 2024-01-01                         # first and last day, UTC
# until = 2034-12-31

# --- how often parties are asked for news --------------------------------------------------------

[schedule]
# status = "1m"
# locations = "15m"                         # and tariffs
# tokens = "5m"
# cdrs = "15m"                              # and sessions
# full = "03:00"                            # whole lists, in the party's time zone

# --- how deliveries are tried again --------------------------------------------------------------

[outbox]
# first_pause = "5s"                        # each further pause is twice as long
# longest_pause = "15m"                     # also when a partner asks for more (Retry-After)
# give_up = "2d"                            # then it is a dead letter, with the reason

# --- how long messages and deliveries are kept ---------------------------------------------------

[retention]
# cdrs = "366d"                             # in the ledger, by what they are about
# sessions = "90d"
# authorise = "90d"
# tokens = "30d"
# tariffs = "90d"
# locations = "30d"
# status = "3d"
# other = "30d"
# delivered = "7d"                          # in the outbox, once taken
# dead = "366d"                             # or given up
# messages = 10000000                       # at most; beyond it the oldest go first
# hashed = []                               # such as ["tokens"]: only their hash is kept

# --- what is granted to messages and partners ----------------------------------------------------

[limits]
# connections = 2000                        # open ones
# connections_of_one = 1000                 # from one address; a proxy in front is one address

[limits.soap]                               # of one message; what is over is refused
# list_bytes = 2147483648                   # a whole list, read item by item
# bytes = 67108864                          # what is read whole: signed, or no plain list
# depth = 64
# elements = 5000000
# attributes = 64                           # on one element
# declarations = 1000000                    # of namespaces
# namespaces = 64                           # in scope at one element
# text = 1048576                            # characters of one text

[limits.json]
# bytes = 16777216
# depth = 32
# members = 2000000                         # of objects and lists, all together
# names = 1000                              # of one object
# text = 100000
# digits = 40                               # of one number, and the size of its exponent

[limits.partner]                            # of one partner, in each process
# rate = 10000                              # requests a second, in the long run
# burst = 20000                             # requests at once
# concurrent = 32                           # worked on at the same time
# waiting = 90                              # waiting for their turn

# [[limits.route]]                          # other limits for one path
# path = "/ochp/1.4/live"
# list_bytes = 16777216
# bytes = 16777216
# depth = 16
# text = 10000
# elements = 1000000
# members = 100000
"""
