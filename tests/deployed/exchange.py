"""The public API of Binance on the loopback over TLS, and what leads the deployed functions to it."""

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.exchanges.binance_loopback import Binance, served

HOST = "api.binance.com"
_REDIRECT = Path(__file__).parent / "redirect"


class LiveBinance(Binance):
    """The fake at the present time: its candles go on as they close."""

    @property
    def now(self) -> float:  # type: ignore[override]
        return time.time()

    @now.setter
    def now(self, _: float) -> None:
        return


@contextmanager
def exchange(folder: Path) -> Iterator[tuple[LiveBinance, dict[str, str]]]:
    """Serve the exchange; gives it with the variables that a function's process needs to find it."""
    authority, chain = _certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    binance = LiveBinance(0)
    with served(binance, context) as port:
        yield (
            binance,
            {
                "PYTHONPATH": str(_REDIRECT.absolute()),
                "TEST_EXCHANGE_HOSTS": HOST,
                "TEST_EXCHANGE_PORT": str(port),
                "TEST_EXCHANGE_AUTHORITY": str(authority),
            },
        )


def _certificates(folder: Path) -> tuple[Path, Path]:
    """Write an authority and a key with a certificate for HOST; return both files."""
    key, today = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    authority, chain = folder / "authority.pem", folder / "chain.pem"
    authority.write_bytes(public)
    chain.write_bytes(private + public)
    return authority, chain
