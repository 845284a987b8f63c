"""The state directory of a run: whose it is, which run it holds, and how far that run has come."""

import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chalicelib.errors import UsageError

VERSION = 2
_MARK = "cts-state.json"
_LOCK = "lock"
_PROGRESS = "progress.json"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay has come: the first heartbeat that was not delivered yet, as epoch second."""

    next_heartbeat: int


class StateDirectory:
    """An opened and locked state directory; the lock is free again when the process ends, however it ends."""

    def __init__(self, path: Path, fresh: bool) -> None:
        """Open or create the directory, empty it if `fresh`; UsageError if it is not ours or is in use.

        Only a directory that carries our mark is ever emptied.
        """
        self.path = path
        _check_is_ours(path)
        path.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(path)
        if fresh:
            _empty(path)
        self.existed = (path / _MARK).exists()
        if self.existed:
            self.run = _read_mark(path)
        else:
            self.run = {}

    @property
    def emulator(self) -> Path:
        """Where the emulator keeps its journal."""
        return self.path / "aws"

    @property
    def fake_account(self) -> Path:
        """Where a fake exchange leaves its account for its next process."""
        return self.path / "fake-exchange.pickle"

    @property
    def log(self) -> Path:
        return self.path / "cts.log"

    @property
    def statistics(self) -> Path:
        return self.path / "statistics.jsonl"

    def claim(self, run: Mapping[str, Any]) -> None:
        """Write down which run the directory holds; UsageError if it holds another one.

        `run` names what must not change between starts, as the user would write it.
        """
        for name, value in run.items():
            if name in self.run and self.run[name] != value:
                raise UsageError(
                    f"state directory {self.path} holds a run with {name} {self.run[name]}, not {value}: "
                    f"use --fresh to begin anew or another --state"
                )
        self.run = dict(run)
        _write(self.path / _MARK, {"version": VERSION, "run": self.run})

    def progress(self) -> Progress | None:
        """Return how far the run had come; None before its first heartbeat."""
        path = self.path / _PROGRESS
        return Progress(**json.loads(path.read_bytes())) if path.exists() else None

    def save(self, progress: Progress) -> None:
        """Store the progress, all or nothing."""
        _write(self.path / _PROGRESS, asdict(progress))

    def close(self) -> None:
        """Give the directory free."""
        os.close(self._lock)


def _check_is_ours(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise UsageError(f"--state {path} is a file: name a directory")
    entries = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
    if entries - {_LOCK} and _MARK not in entries:
        raise UsageError(f"{path} is not empty and not a state directory of cts: choose another --state")


def _locked(path: Path) -> int:
    lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as held:
        os.close(lock)
        raise UsageError(
            f"state directory {path} is in use by another run: stop it or choose another --state"
        ) from held
    return lock


def _read_mark(path: Path) -> dict[str, Any]:
    try:
        mark = json.loads((path / _MARK).read_bytes())
        version, run = mark["version"], dict(mark["run"])
    except (ValueError, KeyError, TypeError) as broken:
        raise UsageError(
            f"{path / _MARK} is broken: use --fresh to begin anew or another --state"
        ) from broken
    if version != VERSION:
        raise UsageError(
            f"state directory {path} is of version {version}, this program needs {VERSION}: "
            f"use --fresh to begin anew or another --state"
        )
    return run


def _empty(path: Path) -> None:
    # The mark goes last: a directory that was emptied halfway is still known as ours.
    for entry in sorted(path.iterdir(), key=lambda entry: entry.name == _MARK):
        if entry.name == _LOCK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _write(path: Path, content: Mapping[str, Any]) -> None:
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)
