"""One recording per stage of the Chalice configuration, made once per test run; and how it compares."""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from infra.policies import CHALICE, functions_of, stages
from tests.infra.deployed import deployed
from tests.infra.evaluator import Document, allowed, pair_grants, pairs
from tests.infra.iam_needs import Need, needs_of
from tests.infra.lambda_needs import lambda_needs
from tests.infra.recorder import Recorder
from tests.infra.scenarios import SCENARIOS

STAGES = stages()
FUNCTIONS_OF_STAGES = [(stage, name) for stage, values in STAGES.items() for name in functions_of(values)]


@cache
def recorded(stage: str) -> Recorder:
    """Return what the functions of a stage asked for in all scenarios."""
    recorder = Recorder()
    with deployed(STAGES[stage], recorder) as world:
        for scenario in SCENARIOS:
            scenario(world)
            assert recorder.all_rivals_acted(), f"{scenario.__name__}: somebody else was never in time"
    return recorder


@cache
def own_needs(stage: str, function: str) -> tuple[Need, ...]:
    """Return what a function's own code needs."""
    found = {need for call in recorded(stage).calls[function] for need in needs_of(call)}
    return tuple(sorted(found, key=lambda need: (need.resource, need.action)))


def all_needs(stage: str, function: str) -> tuple[Need, ...]:
    """Return what a function and Lambda on its behalf need."""
    return (*own_needs(stage, function), *lambda_needs(stage, function))


def policy_on_disk(stage: str, function: str) -> dict[str, Any]:
    """Return the policy as Chalice reads it."""
    path = CHALICE / "policies" / stage / f"{function}.json"
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def missing(document: Document, needs: Iterable[Need]) -> list[str]:
    """Return what is needed and not allowed."""
    return [f"{need.action} on {need.resource}" for need in needs if not allowed(document, need)]


def unused(document: Document, needs: Sequence[Need]) -> list[str]:
    """Return what is allowed and not needed: each action on each resource counts."""
    return [
        f"{action} on {resource}"
        for statement in document["Statement"]
        for action, resource in pairs(statement)
        if not any(pair_grants(statement, action, resource, need) for need in needs)
    ]
