"""TLS for the listener and for clients, from PEM files that may change while the gateway runs.

Source: RFC 8446 (TLS 1.3), RFC 9325 (versions and ciphers), RFC 9110, 4.3.4 (a server is checked
against the name it was asked by); RFC 7469, 2.4 (what a pin is a hash of).
Limits: TLS 1.3 alone unless ``tls_1_2`` says that a partner needs more; keys without passphrase;
no session tickets, so no session outlives a change of trust.
Why: faults of files are found when they are read and said with the file's name, never with its
content. What is read again holds for new connections; those that are open go on as they began.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from OpenSSL import SSL, crypto
from twisted.internet._sslverify import IOpenSSLTrustRoot
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.ssl import (
    AcceptableCiphers,
    CertificateOptions,
    TLSVersion,
    optionsForClientTLS,
)
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer  # type: ignore[import-untyped]

from gateway.errors import ConfigError
from gateway.security import revocation
from gateway.security.revocation import Revocations

_HTTP = [b"http/1.1"]
_NAMES = 256
_CIPHERS = AcceptableCiphers.fromOpenSSLCipherString("ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL")
"""Of TLS 1.2: forward secrecy and authenticated encryption. TLS 1.3 has no others."""


@implementer(IOpenSSLTrustRoot)
class _Anchors:
    """Certificates that are trusted, be they authorities or a partner's own; or the system's."""

    def __init__(
        self,
        certificates: Iterable[x509.Certificate],
        *,
        system: bool = False,
        revocations: Revocations | None = None,
    ) -> None:
        self._certificates = [crypto.X509.from_cryptography(each) for each in certificates]
        self._system, self._revocations = system, revocations

    def _addCACertsToContext(self, context: SSL.Context) -> None:
        if self._system:
            context.set_default_verify_paths()
        store = context.get_cert_store()
        assert store is not None
        for each in self._certificates:
            store.add_cert(each)
        # a pinned certificate is trusted though its issuer is not known
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
        if self._revocations is not None:
            for listed in self._revocations.lists:
                store.add_crl(listed)
            store.set_flags(crypto.X509StoreFlags.CRL_CHECK)


def server_tls(
    certificate: Path,
    key: Path,
    *,
    client_ca: Path | None = None,
    client_required: bool = True,
    clients: Sequence[x509.Certificate] = (),
    tls_1_2: bool = False,
) -> CertificateOptions:
    """What ``HttpServer.listen`` takes. ``certificate`` holds the server's and those above it.

    With ``client_ca`` clients show a certificate issued by it; without ``client_required`` they
    may also show none. ``clients``: certificates that may be shown, or issue what is shown, as
    well; on their own they make nobody show one. Raises ConfigError.
    """
    options = _own(certificate, key) | _versions(tls_1_2)
    authorities = _certificates(client_ca) if client_ca else ()
    made = CertificateOptions(acceptableProtocols=_HTTP, **options)
    if authorities or clients:
        made.trustRoot = _Anchors([*authorities, *clients])  # type: ignore[assignment] # by name
        made.verify = True
        made.requireCertificate = client_required and bool(authorities)
    return made


@implementer(IOpenSSLServerConnectionCreator)
class ServerTls:
    """The TLS of a listener, made again by ``reload``."""

    def __init__(self, make: Callable[[], CertificateOptions]) -> None:
        """Raises ConfigError."""
        self._make, self._options = make, make()

    def reload(self) -> None:
        """Take over what the files hold now; raises ConfigError, then nothing has changed."""
        self._options = self._make()

    def serverConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        """Twisted's word for: how to answer a client."""
        return SSL.Connection(self._options.getContext(), None)


class Pins:
    """A partner's own certificates and public keys; with none, any that is trusted will do."""

    def __init__(self, certificates: Iterable[x509.Certificate], keys: Iterable[str]) -> None:
        """``keys``: as ``key_pin`` writes them."""
        self._certificates, self._keys = frozenset(certificates), frozenset(keys)

    def __bool__(self) -> bool:
        return bool(self._certificates or self._keys)

    def fit(self, shown: x509.Certificate) -> bool:
        """Whether a certificate is one of these, or has one of these keys."""
        return shown in self._certificates or key_pin(shown) in self._keys


def key_pin(certificate: x509.Certificate) -> str:
    """The pin of a certificate's public key: ``sha256//`` and the Base64 of its hash."""
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "sha256//" + base64.b64encode(hashlib.sha256(key).digest()).decode()


@implementer(IPolicyForHTTPS)
class ClientTls:
    """How a client trusts and shows itself: the ``tls`` of ``gateway.client.HttpClient``."""

    def __init__(self, make: Callable[[], tuple[Any, dict[str, Any], Pins]]) -> None:
        """``make`` reads the files: trust, options, pins. Raises ConfigError."""
        self._make = make
        self.reload()

    def reload(self) -> None:
        """Take over what the files hold now; raises ConfigError, then nothing has changed."""
        self._trust, self._options, self.pins = self._make()
        self._by_name: dict[bytes, Any] = {}  # a context costs milliseconds when it is made

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        """Twisted's word for: how to connect to this host."""
        creator = self._by_name.get(hostname)
        if creator is None:
            creator = optionsForClientTLS(
                hostname.decode("ascii"),
                trustRoot=self._trust,
                acceptableProtocols=_HTTP,
                extraCertificateOptions=dict(self._options),
            )
            if len(self._by_name) >= _NAMES:
                self._by_name.clear()
            self._by_name[hostname] = creator
        return creator


def client_tls(
    ca: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
    *,
    pinned: Sequence[Path] = (),
    pinned_keys: Sequence[str] = (),
    crl: Path | None = None,
    tls_1_2: bool = False,
) -> ClientTls:
    """Trust ``ca`` (else ``pinned``, else the system's authorities); show ``certificate``.

    With ``pinned`` and ``pinned_keys`` the server's certificate is one of the first, or its key one
    of the second; its name and validity are checked all the same. ``crl``: what ``ca`` has
    withdrawn. Raises ConfigError.
    """
    if (certificate is None) != (key is None):
        raise ConfigError("a client certificate needs its key, and a key its certificate")

    def make() -> tuple[Any, dict[str, Any], Pins]:
        theirs = [_certificates(path)[0] for path in pinned]
        anchors = [*(_certificates(ca) if ca else ()), *theirs]
        options = _versions(tls_1_2)
        if certificate is not None and key is not None:
            options |= _own(certificate, key)
        # a certificate that is pinned needs no authority; a key alone does
        system = ca is None and not (theirs and not pinned_keys)
        withdrawn = revocation.load(crl) if crl else None
        trust = _Anchors(anchors, system=system, revocations=withdrawn)
        return trust, options, Pins(theirs, pinned_keys)

    return ClientTls(make)


def _versions(tls_1_2: bool) -> dict[str, Any]:
    options: dict[str, Any] = {"acceptableCiphers": _CIPHERS}
    if tls_1_2:
        return options | {"insecurelyLowerMinimumTo": TLSVersion.TLSv1_2}
    return options | {"raiseMinimumTo": TLSVersion.TLSv1_3}


def _own(certificate: Path, key: Path) -> dict[str, Any]:
    """Our side of a handshake: key, certificate and the chain above it."""
    own, *above = _certificates(certificate)
    private = _private_key(key)
    if private.public_key() != own.public_key():
        raise ConfigError(f"{key} is not the key of {certificate}")
    return {"privateKey": private, "certificate": own, "extraCertChain": above}


def _certificates(path: Path) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigError(f"{path} holds no PEM certificate") from None


def _private_key(path: Path) -> Any:
    try:
        return load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except TypeError:
        raise ConfigError(f"{path} is protected by a passphrase") from None
    except ValueError:
        raise ConfigError(f"{path} holds no PEM private key") from None
