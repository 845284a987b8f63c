"""Fixtures of the authorizer's tests: its log, its clock, and the stages it may stand in."""

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from chalicelib.messaging.telemetry import logger
from tests.triggers.tokens import SECRET, issuer, public_jwk, rsa_key


@dataclass
class Clock:
    """A clock that begins now and stands still until the test moves it."""

    time: float = field(default_factory=time.time)

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return stream


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage on one machine, where tokens are signed with SECRET."""
    monkeypatch.setenv("CTS_STAGE", "local")
    monkeypatch.setenv("CTS_AUTH_LOCAL_SECRET", SECRET)


@pytest.fixture
def rs256(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The stage dev with an issuer that publishes one RSA key as `k1`."""
    with issuer() as served:
        served.publish(public_jwk(rsa_key()))
        for name, value in {
            "CTS_STAGE": "dev",
            "CTS_AUTH_ALGORITHM": "RS256",
            "CTS_AUTH_ISSUER": "cts-dev",
            "CTS_AUTH_AUDIENCE": "cts-dev",
            "CTS_AUTH_JWKS_URL": served.url,
        }.items():
            monkeypatch.setenv(name, value)
        yield
