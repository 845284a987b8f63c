"""What each function imports until it is ready, and how long that takes beside a plain import of libraries.

Ready: the module of the handler is imported as Lambda imports it, which makes the parts of the World that its
work begins with, and their clients. `tests.bench.bench_startup` measures the same with a first event.
"""

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.triggers.handler import FIRST_USED

HEAVY = frozenset(
    (
        "boto3",
        "ccxt",
        "requests",
        "aiohttp",
        "asyncio",
        "aws_xray_sdk",
        "numpy",
        "talib",
        "jwt",
        "cryptography",
    )
)
"""What costs tens of milliseconds or megabytes; a function imports it only if its budget says so."""

MOST_OF_PLAIN = 0.7
"""Loose, for machines that are busy with something else; the bench holds the real bound."""

ROUNDS = 3


@dataclass(frozen=True)
class Budget:
    """What a function may import: how many modules besides Python's own, and which of the heavy ones."""

    module: str
    modules: int
    heavy: frozenset[str] = frozenset()


_TRIGGERS = "chalicelib.triggers"
BUDGETS = {
    "heartbeat": Budget(f"{_TRIGGERS}.heartbeat", 260),
    "market_tick": Budget(f"{_TRIGGERS}.market_tick", 340, frozenset({"numpy"})),
    "decision_tick": Budget(f"{_TRIGGERS}.decision_tick", 386, frozenset({"numpy", "talib"})),
    "realtime_tick": Budget(f"{_TRIGGERS}.realtime_tick", 260),
    "execute_signals": Budget(f"{_TRIGGERS}.execute_signals", 262),
    "record_events": Budget(f"{_TRIGGERS}.record_events", 250),
    "publish_positions": Budget(f"{_TRIGGERS}.publish_positions", 250),
    "authorize": Budget(f"{_TRIGGERS}.api.authorizer", 80),
    "api_handler": Budget("app", 260),
}

CHILD = """
import json, sys, time
begun = time.process_time()
from importlib import import_module
for module in sys.argv[1].split(","):
    import_module(module)
took = time.process_time() - begun
wiring = sys.modules.get("chalicelib.wiring")
parts = sorted(wiring.world()._parts._made) if wiring else []
print(json.dumps({"seconds": took, "modules": sorted(sys.modules), "parts": parts}))
"""


def start(modules: str, function: str = "") -> Any:
    """Import modules in a process that knows of AWS what a Lambda function knows; return what came of it."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "CTS_"))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment |= {
        "AWS_LAMBDA_FUNCTION_NAME": f"cts-trade-engine-dev-{function}"
        if function
        else "cts-trade-engine-dev",
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "CTS_STAGE": "dev",
        "CTS_ACCOUNT": "123456789012",
        "CTS_EVENTS": "audit",
        "CTS_AUTH_ALGORITHM": "HS256",
        "CTS_AUTH_ISSUER": "https://issuer.example",
        "CTS_AUTH_AUDIENCE": "cts",
    }
    done = subprocess.run(
        [sys.executable, "-c", CHILD, modules],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def started(function: str) -> Any:
    """Start a function as Lambda does; only the API's function is called as the whole app is."""
    return start(BUDGETS[function].module, "" if function == "api_handler" else function)


@pytest.mark.parametrize("function", BUDGETS)
def test_a_function_imports_no_more_than_its_work_needs(function: str) -> None:
    budget = BUDGETS[function]
    loaded = started(function)["modules"]
    packages = {name.partition(".")[0] for name in loaded}
    assert packages & HEAVY == budget.heavy, "heavy packages: keep them out, or say here that they are needed"
    foreign = [name for name in loaded if name.partition(".")[0] not in sys.stdlib_module_names]
    assert len(foreign) <= budget.modules, "more modules than the function's budget: import at first use"


@pytest.mark.parametrize("function", FIRST_USED)
def test_a_starting_function_makes_what_its_own_work_begins_with(function: str) -> None:
    made = set(started(function)["parts"])
    assert made - {"clients", "tables", "records"} == set(FIRST_USED[function]) - {"records"}
    assert set(FIRST_USED[function]) <= made


def test_no_function_makes_what_others_need() -> None:
    assert started("api_handler")["parts"] == []
    assert start(BUDGETS["realtime_tick"].module, "heartbeat")["parts"] == []


def test_a_forbidden_import_is_found() -> None:
    loaded = start(f"{BUDGETS['realtime_tick'].module},boto3")["modules"]
    assert "boto3" in {name.partition(".")[0] for name in loaded} & HEAVY


@pytest.mark.parametrize("function", ["realtime_tick", "execute_signals"])
def test_the_functions_that_guard_money_start_faster_than_their_libraries(function: str) -> None:
    ours, plain = [], []
    started(function)
    for _ in range(ROUNDS):
        plain.append(start("boto3,pynamodb,numpy,ccxt")["seconds"])
        ours.append(started(function)["seconds"])
    assert statistics.median(ours) <= MOST_OF_PLAIN * statistics.median(plain)
