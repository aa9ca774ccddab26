"""Who may connect: an allow-list of networks, and a token that is proved by a keyed hash and never sent."""

from __future__ import annotations

import hmac
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_address, ip_network
from pathlib import Path
from secrets import token_hex

from opu.errors import ConfigError

from .lease import Link
from .scpi_errors import PROTECTED, ScpiError

MOST_REFUSALS = 3
SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class Gate:
    """Networks that may connect (empty: loopback only) and the token to prove (empty: none); the token stays out of repr."""

    allow: tuple[str, ...] = ()
    token: str = field(default="", repr=False)

    def admits(self, address: str) -> bool:
        """Whether a peer with this address may connect at all."""
        peer = ip_address(address.partition("%")[0])
        peer = getattr(peer, "ipv4_mapped", None) or peer
        if not self.allow:
            return peer.is_loopback
        return any(peer in ip_network(network) for network in self.allow)

    def link(self, peer: str) -> Link:
        """A new link of this peer, trusted if there is nothing to prove."""
        return Link(peer, trusted=not self.token)

    def challenge(self, link: Link) -> str:
        """A fresh nonce for the link; NONE where no token is asked for."""
        link.nonce = token_hex(32) if self.token else ""
        return link.nonce or "NONE"

    def answer(self, link: Link, response: str) -> None:
        """Trust the link if it answers its challenge, which holds for one try; ScpiError otherwise."""
        if not self.token:
            return
        nonce, link.nonce = link.nonce, ""
        if nonce and hmac.compare_digest(proof(self.token, nonce), response.lower()):
            link.trusted = True
            return
        link.refusals += 1
        raise ScpiError(
            PROTECTED, "the token does not answer the challenge; check the client's token_env or token_file"
        )


def proof(token: str, nonce: str) -> str:
    """HMAC-SHA256 (RFC 2104) of the nonce's text under the token, hexadecimal."""
    return hmac.new(token.encode(), nonce.encode(), sha256).hexdigest()


def read_token(env: str | None, file: str | Path | None) -> str:
    """The token named by an environment variable or a file; "" if neither is named. ConfigError never shows it."""
    if env is not None:
        token = os.environ.get(env, "").strip()
        source = f"environment variable {env}"
    elif file is not None:
        source = f"token file {file}"
        try:
            token = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{source} cannot be read: {type(error).__name__}; make it with one line, the token"
            ) from None
    else:
        return ""
    if len(token) < SHORTEST_TOKEN:
        raise ConfigError(
            f"{source} holds a token of {len(token)} characters; {SHORTEST_TOKEN} is the least "
            "(python -c 'import secrets; print(secrets.token_hex())' makes one)"
        )
    return token


def check_exposure(host: str, allow: Sequence[str], token: str, where: str) -> None:
    """ConfigError if an address beyond loopback would be served without an allow-list and a token."""
    for network in allow:
        try:
            ip_network(network)
        except ValueError as error:
            raise ConfigError(f"{where}: --allow {network}: {error}; write a network such as 192.0.2.0/24") from None
    try:
        local = ip_address(host).is_loopback
    except ValueError:
        raise ConfigError(f"{where}: --bind {host}: give an IP address, such as 127.0.0.1 or 0.0.0.0") from None
    missing = [name for name, given in (("--allow NETWORK", allow), ("--token-file FILE", token)) if not given]
    if not local and missing:
        raise ConfigError(
            f"{where}: --bind {host} is open to other machines, which needs an allow-list and a token: "
            f"add {' and '.join(missing)}, or bind 127.0.0.1"
        )


def server_tls(cert: str | Path | None, key: str | Path | None) -> ssl.SSLContext | None:
    """TLS 1.2 or later with this certificate; None without one."""
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise ConfigError("TLS needs both --tls-cert and --tls-key, PEM files")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"TLS certificate {cert} with key {key} cannot be loaded: {error}") from None
    return context


def client_tls(ca: str | Path) -> ssl.SSLContext:
    """TLS that believes the certificates of one PEM file, and checks the server's name."""
    try:
        context = ssl.create_default_context(cafile=str(ca))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"tls_ca = {ca}: {error}; give a PEM file with the certificate to believe") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
