"""Which files of keys and certificates belong to what, so that it is read again when they change.

Limits: passwords and tokens are part of the configuration, which is read at start only.
"""

from functools import partial

from gateway.routing.parties import Directory
from gateway.server import signatures
from gateway.server.client_certificates import ClientCertificates
from gateway.server.config import Config, Party
from gateway.server.links import Links
from gateway.server.reload import Reloading
from gateway.server.tls import ServerTls
from gateway.soap.security import MessageSecurity


def watch(
    reloading: Reloading,
    config: Config,
    directory: Directory,
    links: Links,
    certificates: ClientCertificates,
    tls: ServerTls | None,
    security: MessageSecurity | None,
) -> None:
    """Have everything read again that is read from files."""
    own = config.gateway.tls
    if own is not None and tls is not None:
        reloading.add("gateway.tls", (own.cert, own.key, own.client_ca), tls.reload)
        shown = [
            path
            for party in config.parties
            if party.tls_in
            for path in (*party.tls_in.trusted, party.tls_in.authority, party.tls_in.crl)
        ]
        reloading.add("tls_in of parties", shown, lambda: _clients(certificates, tls))
    for party in config.parties:
        if party.tls:
            own_side = (party.tls.cert, party.tls.key)
            files = (party.tls.ca, party.tls.crl, *own_side, *party.tls.pinned)
            reloading.add(f"tls of {party.id}", files, links.tls[party.id].reload)
        if party.wss and security is not None:
            renew = partial(_signatures, security, party, directory)
            reloading.add(f"wss of {party.id}", signatures.files(party.wss), renew)


def _signatures(security: MessageSecurity, party: Party, directory: Directory) -> None:
    """Of one party: to parse the private keys of all would hold up everybody."""
    fresh = signatures.profile(party, directory)
    if fresh is not None:
        security.replace((security.profiles | {party.id: fresh}).values())


def _clients(certificates: ClientCertificates, tls: ServerTls) -> None:
    certificates.reload()
    tls.reload()  # the listener lets in what parties show
