"""What is compared: a row for each work and contender."""

from collections.abc import Callable
from functools import partial

from benchmarks import hop, long_lists, meanwhile, over_http
from benchmarks.measure import Contender, Session, Work, Worker

_XSD = "libxml2 XSD"
_FULL = "gate, envelope, XSD"
_BARE = "none"


def _inside(name: str) -> Callable[[], Session]:
    return partial(Worker, name)


def in_process() -> list[Work]:
    """Works without a network."""
    return [
        Work(
            "authorise",
            "One small authorisation in process: parse, check, decode, encode the answer",
            "The message with its envelope, without HTTP, store and password.",
            (
                Contender("Roamgate", "ours", _inside("authorise/ours"), _FULL),
                Contender("spyne", "peer", _inside("authorise/spyne"), "envelope, " + _XSD),
                Contender("zeep", "peer", _inside("authorise/zeep"), _XSD),
                Contender("libxml2 parse + XSD", "floor", _inside("authorise/libxml2"), _XSD),
            ),
        ),
        Work(
            "cdrs",
            "1,000 CDRs (1.4 MB) in process: parse, check, map to OCPI, JSON",
            "Roamgate's findings are collected; the peers map by a function written by hand.",
            (
                Contender("Roamgate", "ours", _inside("cdrs/ours"), _FULL + ", findings"),
                Contender("zeep", "peer", _inside("cdrs/zeep"), _XSD),
                Contender("spyne", "peer", _inside("cdrs/spyne"), _XSD),
                Contender("xmlschema", "peer", _inside("cdrs/xmlschema"), "xmlschema XSD"),
                Contender("libxml2 parse + XSD", "floor", _inside("cdrs/libxml2"), _XSD),
            ),
            warm=0,
        ),
        Work(
            "sign",
            "WS-Security RSA-2048: sign one message",
            "Body and Timestamp. signxml is given key objects; zeep signs through xmlsec.",
            (
                Contender("Roamgate", "ours", _inside("sign/ours"), "gate"),
                Contender("signxml", "peer", _inside("sign/signxml"), _BARE),
                Contender("zeep", "peer", _inside("sign/zeep"), _BARE, ("xmlsec",)),
                Contender("private key", "floor", _inside("sign/key"), _BARE),
            ),
        ),
        Work(
            "verify",
            "WS-Security RSA-2048: verify one message",
            "Roamgate checks gate, structure, freshness and trust as well.",
            (
                Contender("Roamgate", "ours", _inside("verify/ours"), "gate, structure, time"),
                Contender("signxml", "peer", _inside("verify/signxml"), "signature"),
                Contender("zeep", "peer", _inside("verify/zeep"), "signature", ("xmlsec",)),
                Contender("public key", "floor", _inside("verify/key"), _BARE),
            ),
        ),
    ]


def works(items: int = long_lists.ITEMS) -> list[Work]:
    """Every work, in the order of the report."""
    return [
        *in_process(),
        *over_http.works(),
        *hop.works(),
        *long_lists.works(items),
        *meanwhile.works(items),
    ]
