"""Files of users' strategies for tests, in a directory of their own that the registry looks into."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chalicelib import user_strategies
from chalicelib.cli import parser
from chalicelib.domain.strategies import users

HEAD = """
from dataclasses import dataclass
import numpy as np
from chalicelib.domain.strategies.base import Votes, Window, votes_where

@dataclass(frozen=True)
class Parameters:
    period: int = 20
    loud: bool = False

    @property
    def warm_up(self):
        return self.period
"""
"""What every file begins with; a test adds the function."""

SOUND = f"""{HEAD}
def vote(window, parameters):
    gap = window.close - window.sma(parameters.period)
    return votes_where(gap != 0.0, np.sign(gap), np.full(gap.shape, 0.7))
"""


def cts(*arguments: str) -> int:
    """Run a command as the command line does; its errors come through."""
    given = parser().parse_args(arguments)
    return int(given.command(given))


class Files:
    """A directory of strategies."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, name: str, text: str) -> Path:
        """Write a file as an editor would, and forget what was loaded from it."""
        path = self.directory / f"{name}.py"
        path.write_text(text)
        self.forget()
        return path

    def forget(self) -> None:
        for name in [name for name in sys.modules if name.startswith(f"{users.PACKAGE}.")]:
            del sys.modules[name]
            vars(user_strategies).pop(name.rpartition(".")[2], None)
        users.forget()
        importlib.invalidate_caches()


@contextmanager
def strategy_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    """Make the directory of users' strategies an empty one, in a project tree of its own."""
    directory = tmp_path / "project" / "chalicelib" / "user_strategies"
    directory.mkdir(parents=True)
    (tmp_path / "project" / "pyproject.toml").write_text("")
    monkeypatch.setattr(user_strategies, "__path__", [str(directory)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    found = Files(directory)
    found.forget()
    yield found
    found.forget()
