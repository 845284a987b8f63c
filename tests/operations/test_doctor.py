"""`cts doctor` as a whole: a sound stage, nothing changed by looking, no AWS, output and exit codes."""

import argparse
import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.session import Session

from chalicelib.errors import UsageError
from chalicelib.operations.doctor import command
from chalicelib.operations.doctor.command import Examination, doctor, examine
from chalicelib.operations.doctor.findings import Check, Finding, Site, run
from tests.exchanges.binance_loopback import Binance, detour, served
from tests.operations.clinic import Clinic
from tests.operations.stages import REGION

READS = ("Get", "List", "Describe", "Head", "Scan", "Simulate", "Encrypt", "Decrypt")


@pytest.fixture
def prepare() -> Iterator[Callable[[Any], None]]:
    """Lead ccxt's clients to an exchange on the loopback."""
    with served(Binance(time.time())) as port:
        yield detour(port)


@pytest.fixture
def clinic(aws: None) -> Clinic:
    made = Clinic()
    made.build()
    return made


def states(examined: Examination) -> dict[str, str]:
    return {finding.name: finding.state for finding in examined.findings}


def test_a_sound_stage_has_nothing_to_mend_and_is_not_changed(
    clinic: Clinic, prepare: Callable[[Any], None]
) -> None:
    asked: set[str] = set()
    site = replace(clinic.site, prepare=prepare)

    def heard(model: Any, **_: Any) -> None:
        asked.add(model.name)

    for client in clinic.aws.values():
        client.meta.events.register("before-call", heard)
    examined = examine(site)
    for client in clinic.aws.values():
        client.meta.events.unregister("before-call", heard)
    found = states(examined)
    assert {name: state for name, state in found.items() if state not in ("ok", "skipped")} == {}
    assert {name for name, state in found.items() if state == "skipped"} == {
        "exchange keys",
        "event stream",
        "source of record_events",
    }
    assert examined.failed == 0
    assert len(asked) > 20
    assert all(name.startswith(READS) for name in asked), asked


def test_what_the_functions_know_of_their_stage_counts(aws: None, prepare: Callable[[Any], None]) -> None:
    clinic = Clinic(events="kinesis")
    clinic.make_functions(CTS_BUCKET="of-their-own")
    unknowing = replace(Clinic().site, prepare=prepare)
    found = {finding.name: finding for finding in examine(unknowing).findings}
    assert found["event stream"].found == "cts-dev-events is missing"
    assert found["bucket"].found == "of-their-own is missing"
    assert found["function record_events"].found == "is not deployed"


def test_an_empty_account_is_told_what_to_do_first(aws: None, prepare: Callable[[Any], None]) -> None:
    examined = examine(replace(Clinic().site, prepare=prepare))
    found = {finding.name: finding for finding in examined.findings}
    assert found["table orders"].remedy == "make infra STAGE=dev"
    assert found["queue market-tick"].remedy == "make infra STAGE=dev"
    assert found["function heartbeat"].remedy == "make package && make deploy STAGE=dev"
    assert found["engines"].state == "skipped"
    assert found["source of publish_positions"].state == "skipped"
    assert not any("itself failed" in finding.found for finding in examined.findings)


def _run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.register(parser.add_subparsers())
    given = parser.parse_args(["doctor", *arguments])
    return int(given.command(given))


def _without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)


def _someone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "CTS_STAGE"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_network_it_says_so_in_one_line_per_check_within_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _someone(monkeypatch)
    _without_network(monkeypatch)
    began = time.monotonic()
    assert _run("--region", REGION) == 1
    assert time.monotonic() - began < command.FIRST_SECONDS + 4
    lines = capsys.readouterr().out.splitlines()
    assert any("AWS does not answer" in line for line in lines)
    asked = [line for line in lines if line.startswith("skipped") and line.endswith("AWS was not asked")]
    assert len(asked) == 30
    assert lines[0] == f"stage dev, {REGION}"


def test_a_name_that_is_looked_up_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    _someone(monkeypatch)
    monkeypatch.setattr(command, "FIRST_SECONDS", 0.5)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(20))
    began = time.monotonic()
    examined = examine(command.open_site("dev", REGION, "binance"))
    assert time.monotonic() - began < 5
    found = {finding.name: finding for finding in examined.findings}
    assert found["credentials"] == Finding(
        "credentials", "fail", "no answer within 0.5 s", "check the network and any proxy"
    )


def test_without_credentials_nothing_else_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    _someone(monkeypatch)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    _without_network(monkeypatch)
    assert _run("--region", REGION, "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["stage"], said["region"], said["failed"]) == ("dev", REGION, 1)
    (who,) = [finding for finding in said["findings"] if finding["name"] == "credentials"]
    assert "no AWS credentials" in who["found"]
    assert who["remedy"] == "set AWS_PROFILE, or run `aws configure` or `aws sso login`"
    monkeypatch.setattr(Session, "get_config_variable", lambda *_: None)
    monkeypatch.delenv("AWS_REGION", raising=False)
    with pytest.raises(UsageError, match="no region: add --region"):
        _run()


def test_a_local_run_needs_no_aws(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _without_network(monkeypatch)
    assert _run("--stage", "local") == 0
    said = capsys.readouterr().out
    assert "a local run makes and compares its own resources" in said
    assert "fail" not in said


def test_an_unknown_exchange_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown exchange 'mtgox'"):
        _run("--exchange", "mtgox")


def test_the_stage_of_the_environment_is_the_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _without_network(monkeypatch)
    monkeypatch.setenv("CTS_STAGE", "local")
    assert _run() == 0
    assert capsys.readouterr().out.startswith("stage local")


def _site() -> Site:
    return Clinic().site


def test_findings_come_in_the_order_of_their_checks_and_none_hides_the_others() -> None:
    def broken(_: Site) -> Finding:
        raise KeyError("unthought")

    def slow(_: Site) -> Finding:
        time.sleep(5)
        return Finding("slow", "ok", "")

    def several(_: Site) -> list[Finding]:
        return [Finding("one", "ok", ""), Finding("two", "ok", "")]

    checks = [Check("slow", slow), Check("broken", broken), Check("several", several)]
    began = time.monotonic()
    late, failed, *rest = run(checks, _site(), 0.3)
    assert time.monotonic() - began < 2
    assert (late.name, late.state, late.found) == ("slow", "fail", "no answer within 0.3 s")
    assert (failed.name, failed.found) == ("broken", "the check itself failed (KeyError: 'unthought')")
    assert [finding.name for finding in rest] == ["one", "two"]


def test_the_table_has_a_remedy_below_each_finding_that_needs_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command_line = "aws " + "x" * 300
    findings = [Finding("a", "ok", "fine"), Finding("b", "fail", "wrong", command_line)]
    monkeypatch.setattr(command, "open_site", lambda *_: _site())
    monkeypatch.setattr(command, "examine", lambda _: Examination("dev", REGION, findings))
    assert doctor(argparse.Namespace(stage="dev", region=REGION, exchange="binance", json=False)) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"stage dev, {REGION}",
        "ok       a  fine",
        "fail     b  wrong",
        f"         > {command_line}",
        "1 ok, 1 fail",
    ]
