"""The emulator's durable memory: a log of changes that the next start reads again.

Every append is handed to the operating system before the caller answers, so a kill -9 of the process loses
nothing that was acknowledged. `fsync` runs at most once a second and at `close`: after a power failure the
last second may be missing.

The log is physical: a line holds the images that one request left behind, so that reading it is a matter of
"the last one wins" and a request is applied whole or, if its line was torn, not at all.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chalicelib.errors import UsageError

FORMAT = 1
COMPACT_BYTES = 64 * 1024 * 1024
COMPACT_FACTOR = 4

#: A change is a list whose first element names its kind; JournalState.apply lists the kinds.
Change = list[Any]
Encode = Callable[[object], object] | None


@dataclass(slots=True)
class JournalState:
    """Everything the log says, folded: definitions of resources, and the newest image of what they hold."""

    clock: float = 0.0
    definitions: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    items: dict[str, dict[str, Change]] = field(default_factory=dict)
    stream_records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    messages: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    kinesis_records: dict[str, dict[str, list[Change]]] = field(default_factory=dict)
    consumed: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    tokens: dict[str, float] = field(default_factory=dict)

    def apply(self, change: Change) -> None:
        """Fold one change in; an unknown kind is a KeyError."""
        folds: dict[str, Callable[..., None]] = {
            "define": self._define,
            "undefine": self._undefine,
            "item": self._item,
            "stream": self._stream,
            "message": self._message,
            "unmessage": self._unmessage,
            "kinesis": self._kinesis,
            "consumed": self._consumed,
            "token": self._token,
        }
        folds[change[0]](*change[1:])

    def changes(self) -> Iterator[Change]:
        """Return the shortest list of changes that folds into this state."""
        for resource, request in self.definitions:
            yield ["define", resource, request]
        for kind, names in self.consumed.items():
            for name, shards in names.items():
                for shard, count in shards.items():
                    yield ["consumed", kind, name, shard, count]
        for table, images in self.items.items():
            for image in images.values():
                yield ["item", table, *image]
        for table, records in self.stream_records.items():
            yield from (["stream", table, record] for record in records)
        for queue, message in self.messages.values():
            yield ["message", queue, message]
        for stream, shards_of in self.kinesis_records.items():
            for shard, entries in shards_of.items():
                yield from (["kinesis", stream, shard, *entry] for entry in entries)
        for token, sent in self.tokens.items():
            yield ["token", token, sent]

    def _define(self, resource: str, request: dict[str, Any]) -> None:
        for definition in self.definitions:
            if definition == (resource, {**request, "at": definition[1]["at"]}):
                if request["creates"]:
                    return
                self.definitions.remove(definition)
                break
        self.definitions.append((resource, request))

    def _undefine(self, resource: str) -> None:
        self.definitions = [known for known in self.definitions if known[0] != resource]
        service, _, name = resource.partition("/")
        if service == "dynamodb":
            self.items.pop(name, None)
            self.stream_records.pop(name, None)
            self.consumed.get("dynamodb", {}).pop(name, None)
        elif service == "kinesis":
            self.kinesis_records.pop(name, None)
            self.consumed.get("kinesis", {}).pop(name, None)
        elif service == "sqs":
            self.messages = {known: kept for known, kept in self.messages.items() if kept[0] != name}

    def _item(self, table: str, key: list[Any], image: dict[str, Any] | None) -> None:
        images = self.items.setdefault(table, {})
        name = json.dumps(key)
        if image is None:
            images.pop(name, None)
        else:
            images[name] = [key, image]

    def _stream(self, table: str, record: dict[str, Any]) -> None:
        self.stream_records.setdefault(table, []).append(record)

    def _message(self, queue: str, message: dict[str, Any]) -> None:
        self.messages.pop(message["id"], None)
        self.messages[message["id"]] = (queue, message)

    def _unmessage(self, queue: str, identities: list[str]) -> None:
        for identity in identities:
            if identity in self.messages and self.messages[identity][0] == queue:
                del self.messages[identity]

    def _kinesis(self, stream: str, shard: str, *entry: Any) -> None:
        self.kinesis_records.setdefault(stream, {}).setdefault(shard, []).append(list(entry))

    def _consumed(self, kind: str, name: str, shard: str, count: int) -> None:
        shards = self.consumed.setdefault(kind, {}).setdefault(name, {})
        fresh = count - shards.get(shard, 0)
        if fresh <= 0:
            return
        shards[shard] = count
        if kind == "dynamodb":
            del self.stream_records.get(name, [])[:fresh]
        else:
            del self.kinesis_records.get(name, {}).get(shard, [])[:fresh]

    def _token(self, token: str, sent: float) -> None:
        self.tokens[token] = sent
        for known in [known for known, at in self.tokens.items() if at < sent - 600]:
            del self.tokens[known]


class Journal:
    """The log file of one state directory; holds the directory's lock while it is open."""

    def __init__(self, directory: Path, compact_bytes: int = COMPACT_BYTES, default: Encode = None) -> None:
        """Lock `directory` and fold its log into `self.state`; `default` encodes what JSON lacks.

        UsageError if the directory is in use, or its log damaged or of another format.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._path = directory / "journal.log"
        self._lock = _locked(directory / "emulator.lock")
        self._compact_bytes = compact_bytes
        self._default = default
        self._dirty = False
        self.state = _read(self._path)
        self._file = -1
        self._rewrite(self.state)

    def append(self, now: float, changes: list[Change]) -> None:
        """Write one line that holds all of `changes`; returns when the operating system has it."""
        line = _line(now, changes, self._default)
        written = os.write(self._file, line)
        while written < len(line):
            written += os.write(self._file, line[written:])
        self._size += len(line)
        self._dirty = True
        if self._size > self._limit:
            self.compact()

    def forget_state(self) -> None:
        """Free the memory of `self.state` once it was used; the file still holds all of it."""
        self.state = JournalState()

    def compact(self) -> None:
        """Replace the log by the shortest one that says the same."""
        self._rewrite(_read(self._path))

    def sync(self) -> None:
        """Make what was appended since the last call survive a power failure."""
        if self._dirty:
            self._dirty = False
            os.fsync(self._file)

    def close(self) -> None:
        """Sync, and give the directory free."""
        self.sync()
        os.close(self._file)
        os.close(self._lock)

    @property
    def size(self) -> int:
        """Bytes in the log."""
        return self._size

    def _rewrite(self, state: JournalState) -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as target:
            target.write(json.dumps({"format": FORMAT}).encode() + b"\n")
            target.writelines(_line(state.clock, [change]) for change in state.changes())
            target.write(_line(state.clock, []))
            target.flush()
            os.fsync(target.fileno())
        os.replace(fresh, self._path)
        if self._file >= 0:
            os.close(self._file)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        self._size = self._path.stat().st_size
        self._limit = max(self._compact_bytes, COMPACT_FACTOR * self._size)


def _line(now: float, changes: list[Change], default: Encode = None) -> bytes:
    return json.dumps([now, changes], separators=(",", ":"), default=default).encode() + b"\n"


def _locked(path: Path) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as held:
        os.close(lock)
        raise UsageError(
            f"state directory {path.parent} is in use by another run: stop it or choose another --state"
        ) from held
    return lock


def _read(path: Path) -> JournalState:
    state = JournalState()
    if not path.exists():
        return state
    with path.open("rb") as lines:
        _check_format(path, lines.readline())
        for number, line in enumerate(lines, start=2):
            if not line.endswith(b"\n"):
                break
            try:
                now, changes = json.loads(line)
                for change in changes:
                    state.apply(change)
            except (ValueError, KeyError, TypeError) as broken:
                raise UsageError(f"{path} is damaged in line {number}: start again with --fresh") from broken
            state.clock = max(state.clock, now)
    return state


def _check_format(path: Path, line: bytes) -> None:
    try:
        found = json.loads(line)["format"]
    except (ValueError, KeyError, TypeError):
        found = "unknown"
    if found != FORMAT:
        raise UsageError(
            f"state directory {path.parent} has format {found}, this program reads {FORMAT}: "
            "use --fresh or choose another --state"
        )
