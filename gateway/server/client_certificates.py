"""The certificates that parties show when they connect over TLS, bound to who they say they are.

Source: RFC 8446, 4.4.2 and 4.4.3 (that the other end has the key of what it shows, TLS has proven);
OCPI 2.2.1, transport chapter, and OCHP 1.4, chapter on security, leave client certificates to the
partners.
Rules: a party with ``[party.tls_in]`` is believed over a connection with a certificate of its own
only; nobody is believed over a connection with the certificate of another party. Validity is looked
at with each request, so a connection does not outlive its certificate.
Limits: a proxy that ends TLS in front of the gateway hides the certificate; then it has to check.
Why: a password or a token that was stolen is of no use without the key.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from gateway.adapter import Partner
from gateway.http import Request
from gateway.security import certificates, keys
from gateway.security.certificates import Certificate
from gateway.security.key_info import KeyReference
from gateway.security.keys import Trust
from gateway.security.unverified import Code, Unverified
from gateway.server.config_options import Config, TlsIn

CODE: Code = "client-certificate"


class ClientCertificates:
    """Who may show what. ``reload`` reads the files again."""

    def __init__(
        self, config: Config, partners: Mapping[str, Partner], clock: Callable[[], datetime]
    ) -> None:
        """Raises ConfigError."""
        self._config, self._partners, self._clock = config, partners, clock
        self.reload()

    def reload(self) -> None:
        """Take over what the files hold now; raises ConfigError, then nothing has changed."""
        trusts = {party.id: _trust(party.tls_in) for party in self._config.parties if party.tls_in}
        alone = {party.id for party in self._config.parties if party.tls_in and party.tls_in.alone}
        if alone:
            keys.refuse_shared(trusts)
        self._trusts, self._alone = trusts, alone

    @property
    def anchors(self) -> list[Any]:
        """What a listener has to let in."""
        return [
            each.parsed
            for trust in self._trusts.values()
            for each in (*trust.pinned, *trust.issuers)
        ]

    def check(self, party: Partner, request: Request) -> None:
        """Refuse a party over a connection that is not its own; raises Unverified."""
        trust = self._trusts.get(party.id)
        if trust is None:
            if request.client_certificate is not None and self._owners(request):
                raise Unverified(CODE, "the certificate is that of another party")
            return
        if request.client_certificate is None:
            raise Unverified(CODE, "this party has to show a certificate")
        try:
            trust.certificate(_reference(request), self._clock())
        except Unverified as error:
            raise Unverified(CODE, f"not a certificate of this party ({error.code})") from None

    def identify(self, request: Request) -> Partner | None:
        """The party that the certificate alone identifies, where one is to be known so."""
        if not self._alone or request.client_certificate is None:
            return None
        found = [party for party in self._owners(request) if party in self._alone]
        return self._partners[found[0]] if len(found) == 1 else None

    def _owners(self, request: Request) -> list[str]:
        """The parties whose certificate it is."""
        reference, now = _reference(request), self._clock()
        return [party for party, trust in self._trusts.items() if trust.knows(reference, now)]


def _trust(options: TlsIn) -> Trust:
    authority = None
    if options.authority:
        authority = keys.authority(options.authority, options.subject or "", options.crl)
    return Trust(keys.pinned(options.trusted), authority)


def _reference(request: Request) -> KeyReference:
    try:
        leaf = _parsed(request.client_certificate)
        return KeyReference(certificate=leaf, others=tuple(map(_parsed, request.client_chain)))
    except ValueError:
        raise Unverified(CODE, "a certificate that cannot be read") from None


@lru_cache(512)
def _parsed(certificate: Any) -> Certificate:
    return certificates.of(certificate)
