"""Finds strategies of users: one file each in `chalicelib.user_strategies`; the registry loads them by name.

Looking for names imports no file, and a file that can't be used fails whoever asks for it, nobody else.
"""

import re
from collections.abc import Iterable
from dataclasses import is_dataclass
from functools import cache, partial
from hashlib import sha256
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from inspect import signature
from keyword import iskeyword
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, cast

import numpy as np

from chalicelib.domain.candles import ANCHOR_BLOCK
from chalicelib.domain.strategies import STRATEGIES, Strategy
from chalicelib.domain.strategies.base import Votes, Window
from chalicelib.errors import Rejected

PACKAGE = "chalicelib.user_strategies"
FUNCTION = "vote"
PARAMETERS = "Parameters"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def name_problem(name: str) -> str:
    """Return why a name can't be that of a user's strategy, and what to do; an empty text if it can."""
    if not _NAME.fullmatch(name) or iskeyword(name):
        return (
            f"{name!r} can't name a strategy: use up to 40 small letters, digits and _, the first a letter, "
            "and no word of Python's"
        )
    if name in STRATEGIES:
        return f"{name!r} is the name of a shipped strategy ({', '.join(STRATEGIES)}): choose another one"
    return ""


def user_names() -> tuple[str, ...]:
    """Return the names of all users' files, sorted, importing none of them."""
    return tuple(name for name in _modules() if not name.startswith("_"))


def source_of(name: str) -> str | None:
    """Return the file of a user's strategy (compiled where there is no source); None without one."""
    spec = _spec(name) if _NAME.fullmatch(name) else None
    return spec.origin if spec is not None else None


@cache
def load(name: str) -> Strategy:
    """Import a user's file and return its strategy; Rejected names the file and what to do about it."""
    file = source_of(name)
    if file is None:
        raise Rejected(f"there is no strategy {name!r} of yours: write one with `cts new-strategy {name}`")
    if problem := name_problem(name):
        raise Rejected(f"{file}: {problem} (rename the file)")
    module = _imported(name, file)
    _refuse_borrowed(module, file)
    vote, parameters = _members(module, file)
    return Strategy(
        name, partial(_checked_vote, file, vote), parameters, "preset", _warm_up(parameters, file)
    )


def digest(names: Iterable[str]) -> str:
    """Return what identifies the code of users' strategies, 16 hex digits; names without a file add nothing.

    It covers their files and all shared ones (`_x.py`), read as they are deployed: sources or compiled.
    """
    used = sorted({name for name in names if name not in STRATEGIES and source_of(name)})
    if not used:
        return ""
    shared = [name for name in _modules() if name.startswith("_")]
    return sha256("".join(_file_digest(name) for name in (*shared, *used)).encode()).hexdigest()[:16]


def forget() -> None:
    """Forget what was loaded; for commands and tests that write files and load them in one process."""
    load.cache_clear()
    _file_digest.cache_clear()


def _modules() -> list[str]:
    package = import_module(PACKAGE)
    return sorted(found.name for found in iter_modules(package.__path__) if not found.ispkg)


def _spec(name: str) -> ModuleSpec | None:
    spec = find_spec(f"{PACKAGE}.{name}")
    return spec if spec is not None and spec.origin and not spec.submodule_search_locations else None


@cache
def _file_digest(name: str) -> str:
    """Return the digest of a file; kept, as the process keeps the module that it has imported."""
    spec = _spec(name)
    if spec is None or spec.origin is None:
        raise Rejected(f"the file of strategy {name!r} has gone: restore it")
    content: bytes = cast(Any, spec.loader).get_data(spec.origin)
    return sha256(name.encode() + b"\0" + content).hexdigest()


def _imported(name: str, file: str) -> ModuleType:
    try:
        return import_module(f"{PACKAGE}.{name}")
    except Exception as error:
        raise Rejected(
            f"{_place(error, file)}: the file does not import: {_told(error)}: repair it"
        ) from error


def _refuse_borrowed(module: ModuleType, file: str) -> None:
    """Refuse code of another user's strategy: a change there would be a change here that nobody sees."""
    for member, value in vars(module).items():
        owner = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if not isinstance(owner, str) or owner == module.__name__ or not owner.startswith(f"{PACKAGE}."):
            continue
        source = owner.removeprefix(f"{PACKAGE}.")
        if not source.startswith("_") or "." in source:
            raise Rejected(
                f"{file}: {member} comes from {source}: put what strategies share into a file whose name "
                "begins with an underscore, beside them"
            )


def _members(module: ModuleType, file: str) -> tuple[Any, type[Any]]:
    vote, parameters = getattr(module, FUNCTION, None), getattr(module, PARAMETERS, None)
    if not callable(vote):
        raise Rejected(f"{file}: no function {FUNCTION}(window, parameters): add it")
    try:
        signature(vote).bind(None, None)
    except TypeError as error:
        raise Rejected(f"{file}: {FUNCTION} must take (window, parameters): {error}") from error
    if not isinstance(parameters, type) or not is_dataclass(parameters):
        raise Rejected(f"{file}: no dataclass {PARAMETERS}: add it, @dataclass(frozen=True), with defaults")
    if not cast(Any, parameters).__dataclass_params__.frozen:
        raise Rejected(
            f"{file}: {PARAMETERS} can be changed while it is used: make it @dataclass(frozen=True)"
        )
    return vote, parameters


def _warm_up(parameters: type[Any], file: str) -> int:
    try:
        bars = parameters().warm_up
    except Exception as error:
        raise Rejected(
            f"{_place(error, file)}: {PARAMETERS}() must work without arguments and have a warm_up: "
            f"{_told(error)}"
        ) from error
    if type(bars) is not int or not 1 <= bars <= ANCHOR_BLOCK:
        raise Rejected(
            f"{file}: warm_up must be a whole number from 1 to {ANCHOR_BLOCK} (bars that every window has "
            f"before its first new one), got {bars!r}: shorten the periods"
        )
    return bars


def _checked_vote(file: str, vote: Any, window: Window, parameters: Any) -> Votes:
    """Return the votes of a user's function; Rejected unless they are what engines can work with."""
    try:
        votes = vote(window, parameters)
    except Rejected:
        raise
    except Exception as error:
        raise Rejected(f"{_place(error, file)}: {FUNCTION} fails: {_told(error)}: repair it") from error
    if not isinstance(votes, Votes):
        raise Rejected(
            f"{file}: {FUNCTION} returned {type(votes).__name__}: return Votes(score, confidence), "
            "or what votes_where returns"
        )
    _check_values(file, "score", votes.score, window, -1.0, np.isnan)
    _check_values(file, "confidence", votes.confidence, window, 0.0, None)
    return votes


def _check_values(file: str, what: str, values: Any, window: Window, lowest: float, also: Any) -> None:
    shape = window.close.shape
    if not isinstance(values, np.ndarray) or values.shape != shape or values.dtype != np.float64:
        kind = f"{values.dtype} {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
        raise Rejected(
            f"{file}: {what} must be a float64 array of the shape of window.close {shape}, got {kind}"
        )
    allowed = (values >= lowest) & (values <= 1.0)
    if also is not None:
        allowed |= also(values)
    if not allowed.all():
        row, bar = (int(place[0]) for place in np.nonzero(~allowed))
        raise Rejected(
            f"{file}: {what} is {values[row, bar]} in row {row} at bar {bar}: keep it from {lowest:g} to 1"
            f"{' (NaN abstains)' if also is not None else ', never NaN'}; votes_where sees to it"
        )


def _place(error: BaseException, file: str) -> str:
    """Return the file and, where the error tells it, the line."""
    line = error.lineno if isinstance(error, SyntaxError) and error.filename == file else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"{file}, line {line}" if line else file


def _told(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {text}"
