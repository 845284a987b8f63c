"""Who asks, from where, with what time, packages and rights: each trouble has a remedy of its own."""

import socket
import sys
import time
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from chalicelib.operations.doctor import account, machine, permissions
from chalicelib.operations.doctor.findings import Identity
from tests.exchanges.binance_loopback import Binance, detour, served
from tests.operations.clinic import ARN, Clinic, only
from tests.operations.stages import ACCOUNT, REGION


def test_the_one_who_asks(aws: None) -> None:
    learned: list[Identity] = []
    clinic = Clinic()
    finding = account.credentials(clinic.site, learned.append)
    assert finding.state == "ok"
    assert learned[0].account == ACCOUNT
    assert learned[0].their_time is not None
    elsewhere = replace(clinic.site, settings=replace(clinic.site.settings, account="999"))
    other = account.credentials(elsewhere, learned.append)
    assert (other.state, other.remedy) == ("fail", "use credentials of that account, or unset CTS_ACCOUNT")


def test_the_root_user_is_warned(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    clinic = Clinic()
    root = {"Arn": f"arn:aws:iam::{ACCOUNT}:root", "Account": ACCOUNT}
    answer = {**root, "ResponseMetadata": {"HTTPHeaders": {}}}
    monkeypatch.setattr(clinic.aws["sts"], "get_caller_identity", lambda: answer)
    assert account.credentials(clinic.site, lambda _: None).state == "warn"


@pytest.mark.parametrize(
    ("ahead", "took", "state"),
    [
        (0.0, 0.1, "ok"),
        (1.2, 0.1, "ok"),
        (1.7, 0.1, "fail"),
        (-1.7, 0.1, "fail"),
        (300.0, 0.1, "fail"),
        (2.0, 2.5, "ok"),
    ],
)
def test_the_clock_is_compared_with_that_of_aws_as_far_as_its_seconds_tell(
    ahead: float, took: float, state: str
) -> None:
    """Their Date header has whole seconds: the moment may be anywhere within that second."""
    middle = 1000.5 + ahead
    known = Identity(ARN, ACCOUNT, "aws", 1000.0, middle - took / 2, middle + took / 2)
    finding = account.clock(replace(Clinic().site, identity=known))
    assert finding.state == state
    assert ("ahead" in finding.found) == (ahead > 0)
    assert ("timedatectl" in finding.remedy) == (state == "fail")


def test_an_answer_without_a_date_tells_no_time() -> None:
    known = Identity(ARN, ACCOUNT)
    assert account.clock(replace(Clinic().site, identity=known)).state == "skipped"
    assert account.their_time({"date": "Tue, 14 Nov 2023 22:13:20 GMT"}) == 1_700_000_000.0


@pytest.mark.parametrize(("ahead", "state"), [(0.0, "ok"), (5.0, "fail"), (-5.0, "fail")])
def test_the_clock_is_compared_with_that_of_the_exchange(ahead: float, state: str) -> None:
    with served(Binance(time.time() - ahead)) as port:
        site = replace(Clinic().site, prepare=detour(port))
        assert machine.exchange_answers(site).state == "ok"
        assert machine.exchange_clock(site).state == state


def test_an_exchange_that_does_not_answer_is_a_warning() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        site = replace(Clinic().site, prepare=detour(unused.getsockname()[1]))
        assert machine.exchange_answers(site).state == "warn"
        assert machine.exchange_clock(site).state == "skipped"


@pytest.mark.parametrize(
    ("running", "state"), [((3, 10), "fail"), ((3, 11), "warn"), ((3, 12), "ok"), ((3, 13), "ok")]
)
def test_python_is_new_enough(running: tuple[int, int], state: str) -> None:
    assert machine.python(Clinic().site, running).state == state
    assert machine.python(Clinic().site, sys.version_info[:2]).state in ("ok", "warn")


def test_packages_that_are_not_as_pinned_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pins = ["boto3==0.0.1", "no-such-package==1", 'rich==15.0.0; extra == "local"', "loose>=1"]
    monkeypatch.setattr(machine, "requires", lambda _: pins)
    finding = machine.packages(Clinic().site)
    assert finding.state == "fail"
    assert finding.found.startswith("boto3 is ")
    assert finding.found.endswith("not 0.0.1, no-such-package is missing")


def test_whether_we_may_deploy_is_simulated(aws: None) -> None:
    clinic = Clinic()
    assert permissions.permissions(clinic.site).state == "ok"
    assert {asked["PolicySourceArn"] for asked in clinic.simulator.asked} == {ARN}
    resources = [asked["ResourceArns"][0] for asked in clinic.simulator.asked]
    assert f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/cts-dev-engines" in resources
    clinic.simulator.denied = {"iam:PassRole", "lambda:CreateFunction"}
    finding = permissions.permissions(clinic.site)
    assert finding.state == "warn"
    assert finding.found == "you may not deploy: iam:PassRole, lambda:CreateFunction"


PRINCIPALS: list[tuple[str, str]] = [
    (f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/me@desk", f"arn:aws:iam::{ACCOUNT}:role/a/path/Admin"),
    (f"arn:aws:iam::{ACCOUNT}:root", ""),
    (f"arn:aws:sts::{ACCOUNT}:federated-user/me", ""),
]


@pytest.mark.parametrize(("arn", "principal"), PRINCIPALS)
def test_policies_hang_on_the_role_behind_a_session(arn: str, principal: str) -> None:
    clinic = Clinic()
    finding = permissions.permissions(replace(clinic.site, identity=Identity(arn, ACCOUNT)))
    asked = {one["PolicySourceArn"] for one in clinic.simulator.asked}
    assert asked == ({principal} if principal else set())
    assert finding.state == ("ok" if principal else "skipped")


def test_who_may_not_simulate_is_not_blamed() -> None:
    clinic = Clinic()
    clinic.simulator.error = ClientError({"Error": {"Code": "AccessDenied"}}, "SimulatePrincipalPolicy")
    assert permissions.permissions(clinic.site).state == "skipped"


def test_exchange_keys_wait_for_connectors() -> None:
    assert only(machine.exchange_keys(Clinic().site)).state == "skipped"
