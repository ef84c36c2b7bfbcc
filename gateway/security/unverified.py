"""Why the sender of a message was not believed.

Why: the log and the tests name the broken rule by its code; the sender is told only that its
message could not be authenticated, so that nobody learns a check by trying.
"""

from typing import Literal

from gateway.errors import Untrusted

Code = Literal[
    #                 before any cryptography: the form of the message
    "envelope",  # not Header and Body of one SOAP version
    "security-header",  # none, or more than one, or not for us
    "security-child",  # a child of Security that is not known, or twice
    "signature-count",  # none, or more than one in the whole document
    "signature-place",  # the Signature is no child of Security
    "signature-form",  # a child, attribute, text or number of things that a Signature may not have
    "encrypted",  # something is encrypted
    "ids",  # an id stands twice, or there are too many
    "reference",  # a Reference that does not name an element of this document by its id
    "reference-place",  # it names an element at a place where nothing is signed
    "transform",  # a transform other than exclusive canonicalisation
    "prefix-list",  # an InclusiveNamespaces PrefixList over its limits
    "coverage",  # a part that has to be signed is missing or not covered
    "algorithm",  # an algorithm that is not allowed to this partner
    "http-signature-form",  # Signature-Input or Signature of another form than is taken
    "timestamp-form",
    "timestamp-expired",
    "timestamp-future",
    #                 whose key it is
    "key-info",  # a key reference of a form that is not supported
    "key-unknown",  # nobody's key, or another partner's
    "key-ambiguous",  # a reference that fits more than one key
    "key-mismatch",  # algorithm and key are of different kinds
    "certificate-expired",
    "certificate-early",
    "certificate-usage",  # the key may not be used for signatures
    "certificate-weak",  # a key that is too short, or of a curve that is not allowed
    "certificate-chain",  # no chain to the authority, or the wrong subject
    "certificate-revoked",  # its issuer has withdrawn it
    "revocation-list",  # there is no current list of its issuer
    "client-certificate",  # the connection is not the party's: another certificate, or none
    #                 cryptography and what comes after it
    "signature",  # the signature value is wrong
    "digest",  # the content is not what was signed
    "no-canonical-form",  # such as a namespace that is a relative URI
    "too-large",  # canonical form larger than the message may be
    "replay",  # this message, its id or its nonce was here before
    #                 username and password
    "token-form",  # no UsernameToken, more than one, or one of another form
    "token-type",  # a password type that is not supported, or not agreed with this party
    "credentials",  # an unknown name, a wrong password or digest
    "basic",  # HTTP Basic credentials are missing or cannot be read
]


class Unverified(Untrusted):
    """A message whose signature or credentials do not hold; ``code`` names the rule."""

    def __init__(self, code: Code, reason: str) -> None:
        self.code: Code = code
        super().__init__(f"{code}: {reason}")
