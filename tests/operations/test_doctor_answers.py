"""Engines that stopped beating, and what AWS may refuse: each is said with what helps."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.domain.codec import to_plain
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import Beat, Engine, engine_subject
from chalicelib.domain.lifecycle import Status
from chalicelib.operations.doctor import account, state
from chalicelib.operations.doctor.findings import Check, Finding, Site, run
from chalicelib.stores.engines import DynamoEngineStore
from chalicelib.stores.tables import bind_tables
from tests.operations.clinic import Clinic, only

NOW = 10_000.0


def _engine(clinic: Clinic, status: Status, beat: Beat) -> Finding:
    clinic.make_table("engines")
    bind_tables(clinic.site.settings, clinic.aws["dynamodb"])
    settings = to_plain(Connection("desk-1", "binance", ("BTC/USDT",), timeframe="1m"))
    beats = dict.fromkeys(("indication", "strategy", "realtime"), beat)
    store = DynamoEngineStore(clinic.aws["dynamodb"])
    engine = Engine(engine_subject("acme", "desk-1"), status, 0.0, settings=settings, beats=beats)
    closed = int(beat.ok_at)
    store.create(replace(engine, last_candle=closed, last_indicated=closed))
    store.create(Engine(engine_subject("acme", "desk-2"), Status.STOPPED))
    site = clinic.site
    return only(state.engines(Site(site.settings, site.exchange, site.clients, now=lambda: NOW)))


@pytest.mark.parametrize(
    ("status", "beat", "state", "found"),
    [
        (Status.RUNNING, Beat(NOW - 30), "ok", "1 of 2 run"),
        (Status.RUNNING, Beat(NOW - 400), "warn", "realtime: work waits for 400 s"),
        (Status.RUNNING, Beat(NOW - 30, 9, "LookupError"), "warn", "9 errors LookupError"),
        (Status.PAUSED, Beat(NOW - 4000), "ok", "0 of 2 run"),
        (Status.ERROR, Beat(NOW - 4000), "warn", "in error: desk-1"),
    ],
)
def test_engines_are_judged_as_the_health_tick_does(
    aws: None, status: Status, beat: Beat, state: str, found: str
) -> None:
    finding = _engine(Clinic(), status, beat)
    assert finding.state == state
    assert found in finding.found


def _refused(code: str, message: str = "") -> Callable[..., Any]:
    def call(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": code, "Message": message}}, "DescribeTable")

    return call


REFUSALS = [
    ("AccessDeniedException", "me may not", "not allowed: DescribeTable", "let an administrator allow it"),
    ("ExpiredTokenException", "", "AWS does not accept these credentials (Exp", "aws sso login"),
    ("RequestExpired", "", "AWS refuses this machine's time (RequestExpired)", "timedatectl"),
    ("InvalidSignatureException", "Signature expired: it is", "AWS refuses this machine's", "timedatectl"),
    ("SignatureDoesNotMatch", "Signature not yet current", "AWS refuses this machine's", "timedatectl"),
    ("SignatureDoesNotMatch", "check your key", "AWS does not accept these credentials", "aws sso login"),
    ("ThrottlingException", "", "AWS throttles DescribeTable", "try again in a minute"),
    ("ValidationException", "odd", "DescribeTable was refused (ValidationException)", "odd"),
]


@pytest.mark.parametrize(("code", "message", "found", "remedy"), REFUSALS)
def test_what_aws_refuses_is_said_with_what_helps(
    aws: None, monkeypatch: pytest.MonkeyPatch, code: str, message: str, found: str, remedy: str
) -> None:
    clinic = Clinic()
    monkeypatch.setattr(clinic.aws["dynamodb"], "describe_table", _refused(code, message))
    (finding,) = run([Check("table orders", partial(state.table, name="orders"))], clinic.site, 5)
    assert finding.state == "fail"
    assert finding.found.startswith(found)
    assert remedy in finding.remedy


@pytest.mark.parametrize(
    ("code", "remedy"), [("301", "--region"), ("403", "CTS_BUCKET"), ("404", "make infra STAGE=dev")]
)
def test_a_bucket_that_can_not_be_looked_at(
    aws: None, monkeypatch: pytest.MonkeyPatch, code: str, remedy: str
) -> None:
    clinic = Clinic()
    monkeypatch.setattr(clinic.aws["s3"], "head_bucket", _refused(code))
    finding = account.bucket(clinic.site)
    assert finding.state == "fail"
    assert remedy in finding.remedy
