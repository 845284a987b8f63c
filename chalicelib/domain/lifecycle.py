"""Lifecycle of the coordinator and of engines: one transition table, used by API, flows and stores."""

from enum import StrEnum
from typing import Literal

Command = Literal["start", "stop", "pause", "resume", "restart"]


class Status(StrEnum):
    """Run state of the coordinator or of one engine."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    RESUMING = "resuming"
    STOPPING = "stopping"
    ERROR = "error"


_S = Status

TRANSITIONS: dict[Status, frozenset[Status]] = {
    _S.STOPPED: frozenset({_S.STARTING}),
    _S.STARTING: frozenset({_S.RUNNING, _S.STOPPING, _S.ERROR}),
    _S.RUNNING: frozenset({_S.PAUSING, _S.STOPPING, _S.ERROR}),
    _S.PAUSING: frozenset({_S.PAUSED, _S.STOPPING, _S.ERROR}),
    _S.PAUSED: frozenset({_S.RESUMING, _S.STOPPING, _S.ERROR}),
    _S.RESUMING: frozenset({_S.RUNNING, _S.STOPPING, _S.ERROR}),
    _S.STOPPING: frozenset({_S.STOPPED, _S.ERROR}),
    _S.ERROR: frozenset({_S.STARTING, _S.STOPPING}),
}

SETTLES_AS = {
    _S.STARTING: _S.RUNNING,
    _S.PAUSING: _S.PAUSED,
    _S.RESUMING: _S.RUNNING,
    _S.STOPPING: _S.STOPPED,
}
"""What a status on the way becomes when its work is done; a death in between is settled by the heartbeat."""

FIRST_STEP: dict[Command, Status] = {
    "start": _S.STARTING,
    "stop": _S.STOPPING,
    "pause": _S.PAUSING,
    "resume": _S.RESUMING,
    "restart": _S.STOPPING,
}


def may_become(current: Status, target: Status) -> bool:
    """Tell whether the table allows the step."""
    return target in TRANSITIONS[current]


def allowed_commands(current: Status) -> tuple[Command, ...]:
    """Return the commands that the table allows from here, for the text of a refusal."""
    return tuple(command for command, step in FIRST_STEP.items() if may_become(current, step))


_WORKS = frozenset({_S.RUNNING, _S.STARTING, _S.RESUMING})
_EXITS_WORK = _WORKS | {_S.PAUSING, _S.PAUSED}


def entries_allowed(coordinator: Status, engine: Status) -> bool:
    """Tell whether decisions and new entries may happen; the global pause beats the engine's own state."""
    return coordinator in _WORKS and engine in _WORKS


def exits_allowed(coordinator: Status, engine: Status, freeze_exits: bool) -> bool:
    """Tell whether exits of open positions may happen: also while paused, unless they are frozen."""
    if entries_allowed(coordinator, engine):
        return True
    return coordinator in _EXITS_WORK and engine in _EXITS_WORK and not freeze_exits
