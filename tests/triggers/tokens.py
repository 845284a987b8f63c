"""Tokens for tests of the authorizer and of the API: keys, signers, calls as API Gateway makes them."""

import base64
import hashlib
import hmac
import io
import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from chalicelib.domain.token import Identity, Refusal, Unauthorized
from chalicelib.local.access import new_token
from chalicelib.triggers.api.authorizer import Verifier, authorize

SECRET = "a-secret-of-the-tests-with-more-than-32-bytes-and-no-meaning"
METHOD_ARN = "arn:aws:execute-api:eu-central-1:123456789012:ymy8tbxw7b/api/GET/positions"
HOUR = 3600


def bearer(**about: Any) -> dict[str, str]:
    """Return the header of a valid token of the local stage."""
    return {"Authorization": f"Bearer {new_token(SECRET, **about)}"}


def claims(**changes: Any) -> dict[str, Any]:
    """Return valid claims for the stage `dev` with the changes; `...` leaves one out."""
    now = int(time.time())
    sound = {
        "iss": "cts-dev",
        "aud": "cts-dev",
        "sub": "ann",
        "tenant": "acme",
        "iat": now,
        "exp": now + HOUR,
    }
    return {name: value for name, value in {**sound, **changes}.items() if value is not ...}


def signed(key: Any = SECRET, algorithm: str = "HS256", headers: Any = None, **changes: Any) -> str:
    """Return a token with these claims, signed as asked."""
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers=headers)


def local_token(**changes: Any) -> str:
    return signed(**{"iss": "cts-local", "aud": "cts-local", **changes})


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def by_hand(header: Any, payload: Any, secret: bytes = SECRET.encode()) -> str:
    """Return a token that libraries refuse to make, with a true HMAC signature."""
    parts = [
        base64url(part if isinstance(part, bytes) else json.dumps(part).encode())
        for part in (header, payload)
    ]
    digest = hmac.new(secret, ".".join(parts).encode(), hashlib.sha256).digest()
    return ".".join((*parts, base64url(digest)))


def local_claims(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(local_token(**changes), options={"verify_signature": False})
    return found


def call(token: str, form: str = "Bearer {}") -> dict[str, Any]:
    """Call the authorizer as API Gateway does, and return its answer as API Gateway reads it."""
    event = {"type": "TOKEN", "authorizationToken": form.format(token), "methodArn": METHOD_ARN}
    answer: dict[str, Any] = json.loads(json.dumps(authorize(event, None)))
    return answer


def logged(stream: io.StringIO) -> list[dict[str, Any]]:
    """Return the lines that were logged."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def assert_refused(token: str, logs: io.StringIO, form: str = "Bearer {}") -> str:
    """Assert that the caller is told nothing, that the log has a reason but no token; return the reason."""
    with pytest.raises(Unauthorized) as refused:
        call(token, form)
    # API Gateway answers 401 to this very text and 500 to any other.
    assert str(refused.value) == "Unauthorized"
    line = logged(logs)[-1]
    assert (line["level"], line["message"]) == ("WARNING", "token refused")
    assert line["resource"] == "api/GET/positions"
    assert not token or token not in logs.getvalue()
    return str(line["reason"])


def asks(verifier: Verifier, token: str) -> Identity | Refusal:
    return verifier.identify(f"Bearer {token}")


def lasting(key: Any = SECRET, algorithm: str = "HS256", **about: Any) -> str:
    """Return a token that outlives the hours that a test lets pass."""
    return signed(key, algorithm, exp=int(time.time()) + 20 * HOUR, **about)


def gets_in(verifier: Verifier, token: str) -> bool:
    found = asks(verifier, token)
    assert found == Refusal("no key has signed it") or isinstance(found, Identity), found
    return isinstance(found, Identity)


@cache
def rsa_key(bits: int = 2048, number: int = 0) -> RSAPrivateKey:
    """Return a private key, the same for the same arguments."""
    return generate_private_key(65537, bits)


def public_pem(key: RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def public_jwk(key: RSAPrivateKey, key_id: str = "k1", **changes: Any) -> dict[str, Any]:
    """Return the key as an issuer publishes it."""
    published = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**published, "use": "sig", "alg": "RS256", "kid": key_id, **changes}


class Issuer:
    """What an issuer publishes on the loopback, and how often it was asked; all of it may be changed."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = 200
        self.headers: Mapping[str, str] = {}
        self.body: bytes = b""
        self.pause = 0.0
        self.asked = 0

    def publish(self, *keys: Mapping[str, Any]) -> None:
        self.body = json.dumps({"keys": keys}).encode()


def self_signed(directory: Path) -> Path:
    """Write a certificate for 127.0.0.1 that nobody but its owner has signed, with its key, as PEM."""
    key, now = rsa_key(number=2), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    dated = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    place = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = dated.add_extension(place, critical=False).sign(key, SHA256())
    path = directory / "certificate.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return path


@contextmanager
def issuer(certificate: Path | None = None) -> Iterator[Issuer]:
    """Serve an issuer's keys for the length of a with block, over TLS if a certificate is given."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked += 1
            self.send_response(served.status)
            for name, value in served.headers.items():
                self.send_header(name, value)
            self.end_headers()
            for byte in range(0, len(served.body), 1 if served.pause else 65536):
                self.wfile.write(served.body[byte : byte + (1 if served.pause else 65536)])
                time.sleep(served.pause)

        def log_message(self, *_: Any) -> None: ...

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """Clients that go away in the middle are what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    scheme = "http" if certificate is None else "https"
    served = Issuer(f"{scheme}://127.0.0.1:{server.server_address[1]}/keys?v=1")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
