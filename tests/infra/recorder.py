"""Records what a function asks of AWS: every request, from which line, through which part of the World."""

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from pynamodb.indexes import Index
from pynamodb.models import BatchWrite, Model
from pynamodb.transactions import TransactGet, TransactWrite

from chalicelib.flows.world import World

ROOT = Path(__file__).parents[2]
MODEL_METHODS: Mapping[type[Any], tuple[str, ...]] = {
    Model: (
        "get",
        "query",
        "scan",
        "batch_get",
        "batch_write",
        "count",
        "save",
        "update",
        "delete",
        "refresh",
    ),
    Index: ("query", "scan", "count"),
    BatchWrite: ("save", "delete"),
    TransactWrite: ("save", "update", "delete", "condition_check"),
    TransactGet: ("get",),
}
"""Where PynamoDB is entered; its requests may come later (lazy queries, the end of a transaction)."""

_NOT_AWS = ("now", "owner", "feed", "venue", "metrics", "span", "shortest_interval", "warm")
TRACED_PARTS = tuple(part.name for part in fields(World) if part.name not in _NOT_AWS)
"""The parts of a World that ask AWS; a venue does too, and is made anew for every flow."""


@dataclass(frozen=True, slots=True)
class Site:
    """A line of our code that asks AWS for something."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Call:
    """One request as a client made it; `error` is the code of a refusal, empty for an answer."""

    service: str
    operation: str
    parameters: Mapping[str, Any]
    answer: Mapping[str, Any]
    error: str

    @property
    def name(self) -> str:
        return f"{self.service}.{self.operation}"


@dataclass(frozen=True, slots=True)
class _Rival:
    """Somebody else who acts right before one request."""

    operation: str
    mention: str
    act: Callable[[], object]


class Recorder:
    """Requests and used parts of the World per function, and the lines that asked."""

    def __init__(self) -> None:
        self.calls: dict[str, list[Call]] = defaultdict(list)
        self.used: dict[str, set[Site]] = defaultdict(set)
        self.sites: set[Site] = set()
        self._function = ""
        self._rivals: list[_Rival] = []

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Listen to all clients of the process, also to those that were made before."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(BaseClient, "_make_api_call", self._listening(BaseClient._make_api_call))
            for owner, names in MODEL_METHODS.items():
                for name in names:
                    patch.setattr(owner, name, self._entered(owner, name))
            yield

    @contextmanager
    def of(self, function: str) -> Iterator[None]:
        """Attribute what is asked in this block to a function; an empty name records nothing."""
        before, self._function = self._function, function
        try:
            yield
        finally:
            self._function = before

    def before(self, operation: str, mention: str, act: Callable[[], object]) -> None:
        """Let somebody else act before the next request of this operation that mentions a text."""
        self._rivals.append(_Rival(operation, mention, act))

    def all_rivals_acted(self) -> bool:
        """Tell whether every race that a scenario set up has happened."""
        return not self._rivals

    def read(self, function: str, prefix: str) -> list[str]:
        """Return the objects that a function has asked for, by what their keys begin with."""
        keys = [
            call.parameters.get("Key", "") for call in self.calls[function] if call.operation == "GetObject"
        ]
        return [key for key in keys if key.startswith(prefix)]

    def traced(self, world: World) -> World:
        """Return the world with its parts noting which of their methods are used."""
        parts: dict[str, Any] = {name: _Traced(getattr(world, name), self) for name in TRACED_PARTS}
        venue = world.venue
        parts["venue"] = lambda connection: _Traced(venue(connection), self)
        return replace(world, **parts, span=lambda _: nullcontext())

    def note_use(self, frame: FrameType | None) -> None:
        """Note the line that uses a part of the World."""
        site = _site(frame)
        if self._function and site is not None:
            self.used[self._function].add(site)

    def _listening(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def listened(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> Any:
            if not self._function:
                return real(client, operation, parameters)
            self._let_rivals_act(operation, parameters)
            self._note_site(_caller_outside("botocore"))
            service = client.meta.service_model.service_name
            asked = dict(parameters)
            try:
                answer = real(client, operation, parameters)
            except ClientError as error:
                code = error.response["Error"]["Code"]
                self.calls[self._function].append(Call(service, operation, asked, {}, code))
                raise
            self.calls[self._function].append(Call(service, operation, asked, answer, ""))
            return answer

        return listened

    def _let_rivals_act(self, operation: str, parameters: Mapping[str, Any]) -> None:
        due = [r for r in self._rivals if r.operation == operation and r.mention in repr(parameters)]
        self._rivals = [rival for rival in self._rivals if rival not in due]
        with self.of(""):
            for rival in due:
                rival.act()

    def _entered(self, owner: type[Any], name: str) -> Any:
        declared = inspect.getattr_static(owner, name)
        of_class = isinstance(declared, classmethod)
        function = declared.__func__ if of_class else declared

        @wraps(function)
        def entered(*arguments: Any, **options: Any) -> Any:
            if self._function:
                self._note_site(inspect.currentframe().f_back)  # type: ignore[union-attr]
            return function(*arguments, **options)

        return classmethod(entered) if of_class else entered

    def _note_site(self, frame: FrameType | None) -> None:
        site = _site(frame)
        if site is not None:
            self.sites.add(site)


class _Traced:
    """Passes every call on and notes from where it came."""

    def __init__(self, target: Any, recorder: Recorder) -> None:
        self._target, self._recorder = target, recorder

    def __getattr__(self, name: str) -> Any:
        self._recorder.note_use(inspect.currentframe().f_back)  # type: ignore[union-attr]
        return getattr(self._target, name)


def _site(frame: FrameType | None) -> Site | None:
    """Return where a frame is in our source, or None if it is in other code."""
    path = Path(frame.f_code.co_filename) if frame else Path()
    if frame is None or not path.is_relative_to(ROOT / "chalicelib"):
        return None
    return Site(path.relative_to(ROOT).as_posix(), frame.f_lineno)


def _caller_outside(package: str) -> FrameType | None:
    """Return the frame that called into a package, seen from inside it."""
    frame = inspect.currentframe()
    while frame is not None and f"/{package}/" not in frame.f_code.co_filename:
        frame = frame.f_back
    while frame is not None and f"/{package}/" in frame.f_code.co_filename:
        frame = frame.f_back
    return frame
