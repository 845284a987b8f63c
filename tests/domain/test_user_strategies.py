"""Users' strategies: found by their file, refused by name and remedy, and known by what they contain."""

import os
import py_compile
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from chalicelib.domain.candles import empty_candles
from chalicelib.domain.strategies import (
    STRATEGIES,
    parameters_of,
    source_digest,
    strategy_named,
    strategy_names,
)
from chalicelib.domain.strategies.base import window_of
from chalicelib.errors import Rejected
from infra.bytecode import compile_tree
from infra.tree import copy_own
from tests.domain.ladder_candles import RECORDED, read_candles
from tests.shared import shared_path
from tests.strategy_files import HEAD, SOUND, Files, strategy_files

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    with strategy_files(tmp_path, monkeypatch) as found:
        yield found


def test_a_file_is_a_strategy(files: Files) -> None:
    files.write("mine", SOUND)
    window = window_of(read_candles(shared_path(RECORDED), "1h", 3, 300))
    votes = strategy_named("mine").vote(window, parameters_of("mine", {"period": 10, "loud": True}))
    gap = window.close - window.sma(10)
    voted = gap[~np.isnan(gap)] != 0.0
    assert (votes.score[~np.isnan(gap)][voted] == np.sign(gap[~np.isnan(gap)])[voted]).all()
    assert strategy_named("mine").warm_up == 20
    assert strategy_named("mine") is strategy_named("mine")
    assert strategy_names() == (*STRATEGIES, "mine")


def test_shipped_names_stay_shipped(files: Files) -> None:
    files.write("trend", SOUND)
    assert strategy_named("trend") is STRATEGIES["trend"]
    assert strategy_names() == tuple(STRATEGIES)


def test_a_broken_file_fails_nobody_else(files: Files) -> None:
    files.write("mine", SOUND)
    files.write("broken", "raise RuntimeError('imported')")
    assert strategy_named("mine").name == "mine"
    assert strategy_names() == (*STRATEGIES, "broken", "mine")
    assert source_digest(["mine"])
    with pytest.raises(Rejected, match=r"unknown strategy 'other': use one of trend, .*, broken, mine"):
        strategy_named("other")


@pytest.mark.parametrize("name", ["", "a.b", "../mine", "Mine", "_shared"])
def test_what_is_no_name_is_unknown(files: Files, name: str) -> None:
    files.write("_shared", "")
    with pytest.raises(Rejected, match="unknown strategy"):
        strategy_named(name)


CASES = {
    "syntax": ("def vote(:", r"bad\.py, line 1: the file does not import: SyntaxError"),
    "import": (
        "\nimport nothing_of_that_name",
        r"line 2: .*ModuleNotFoundError: No module named 'nothing_of",
    ),
    "no function": (HEAD, r"bad\.py: no function vote\(window, parameters\): add it"),
    "arguments": (f"{HEAD}\ndef vote(window): ...", r"vote must take \(window, parameters\)"),
    "no parameters": ("def vote(window, parameters): ...", "no dataclass Parameters: add it"),
    "thawed": (SOUND.replace("(frozen=True)", ""), r"make it @dataclass\(frozen=True\)"),
    "no default": (SOUND.replace("int = 20", "int").replace("bool = False", "bool"), "must work without arg"),
    "no warm-up": (SOUND.replace("warm_up", "warmth"), r"have a warm_up: AttributeError"),
    "long warm-up": (SOUND.replace("int = 20", "int = 300"), "whole number from 1 to 256 .* got 300"),
}


@pytest.mark.parametrize(("text", "message"), CASES.values(), ids=CASES)
def test_a_file_that_cannot_be_used_says_what_to_do(
    files: Files,
    text: str,
    message: str,
) -> None:
    path = files.write("bad", text)
    for _ in range(2):
        with pytest.raises(Rejected, match=message) as refused:
            strategy_named("bad")
        assert str(path) in str(refused.value)


RESULTS = {
    "not votes": ("return window.close, window.close", "returned tuple: return Votes"),
    "shape": ("return Votes(window.close[:, 1:], window.close)", r"\(1, 300\), got float64 \(1, 299\)"),
    "type": ("return Votes(np.sign(window.close), window.traded)", "confidence must be .* got bool"),
    "no array": ("return Votes(0.5, 0.5)", "score must be a float64 array .* got float"),
    "score": (
        "x = np.zeros(window.close.shape); x[0, 7] = 1.5; return Votes(x, x)",
        "score is 1.5 in row 0 at bar 7: keep it from -1 to 1",
    ),
    "confidence": (
        "x = np.full(window.close.shape, np.nan); return Votes(x, x)",
        "confidence is nan in row 0 at bar 0: keep it from 0 to 1, never NaN",
    ),
    "exception": ("return window.nothing", "line 16: vote fails: AttributeError"),
    "writes": ("window.close[0, 0] = 1.0; return None", "line 16: vote fails: ValueError: .*read-only"),
}


@pytest.mark.parametrize(("body", "message"), RESULTS.values(), ids=RESULTS)
def test_wrong_votes_are_refused(files: Files, body: str, message: str) -> None:
    path = files.write("bad", f"{HEAD}\ndef vote(window, parameters):\n    {body}\n")
    candles = empty_candles(("A/B",), 3600, 0, 300)
    candles.close[:] = 5.0
    strategy = strategy_named("bad")
    with pytest.raises(Rejected, match=message) as refused:
        strategy.vote(window_of(candles), strategy.parameters())
    assert str(path) in str(refused.value)
    assert (candles.close == 5.0).all()


def test_code_of_another_strategy_is_refused_and_shared_code_is_not(files: Files) -> None:
    files.write("mine", SOUND)
    files.write("_shared", "LEVEL = 3\ndef level(): return LEVEL\n")
    files.write("good", f"{SOUND}\nfrom chalicelib.user_strategies._shared import level\n")
    files.write("bad", "from chalicelib.user_strategies.mine import Parameters, vote\n")
    assert strategy_named("good").name == "good"
    with pytest.raises(Rejected, match=r"bad\.py: Parameters comes from mine: put what strategies share"):
        strategy_named("bad")


def test_the_digest_follows_the_files_that_are_used(files: Files) -> None:
    files.write("mine", SOUND)
    files.write("other", SOUND)
    assert source_digest([]) == source_digest(["trend", "step(step_size=0.002)", "move(k=5)"]) == ""
    mine = source_digest(["mine"])
    assert len(mine) == 16
    assert source_digest(["trend", "mine(period=8)", "mine"]) == mine
    assert source_digest(["other"]) != mine
    assert source_digest(["other", "mine"]) == source_digest(["mine", "other"]) != mine
    files.write("other", f"{SOUND}#\n")
    assert source_digest(["mine"]) == mine
    files.write("mine", f"{SOUND}#\n")
    changed = source_digest(["mine"])
    assert changed != mine
    files.write("_shared", "LEVEL = 3\n")
    assert source_digest(["mine"]) != changed


def test_compiled_files_alone_are_enough(files: Files) -> None:
    digests = []
    for text in (SOUND, SOUND.replace("0.7", "0.8")):
        source = files.write("mine", text)
        py_compile.compile(str(source), str(source.with_suffix(".pyc")))
        source.unlink()
        files.forget()
        assert strategy_named("mine").warm_up == 20
        digests.append(source_digest(["mine"]))
    assert strategy_names()[-1] == "mine"
    assert digests[0] != digests[1]


IN_PACKAGE = """
import chalicelib, sys
from chalicelib.domain import voting
from chalicelib.domain.strategies import source_digest, strategy_named
assert chalicelib.__file__.startswith(sys.argv[1]), chalicelib.__file__
assert not [name for name in sys.modules if name.endswith(("strategies.users", "user_strategies"))]
source_digest(["trend"])
assert "chalicelib.domain.strategies.users" not in sys.modules
print(strategy_named("mine").name, source_digest(["mine"]), strategy_named("mine").vote.args[0])
"""


def test_a_file_gets_into_the_package_and_is_found_there(tmp_path: Path) -> None:
    repository, tree = tmp_path / "repository", tmp_path / "tree"
    copy_own(REPOSITORY, repository)
    (repository / "chalicelib/user_strategies/mine.py").write_text(SOUND)
    copy_own(repository, tree)
    shutil.rmtree(repository)
    compile_tree(tree / "chalicelib/user_strategies")
    assert list((tree / "chalicelib/user_strategies/__pycache__").glob("mine.*.pyc"))
    libraries = Path(np.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-S", "-B", "-c", IN_PACKAGE, str(tree)],
        cwd=tree,
        env={"PYTHONPATH": os.pathsep.join((str(tree), str(libraries)))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    name, digest, file = done.stdout.split()
    assert (name, len(digest)) == ("mine", 16)
    assert file == str(tree / "chalicelib/user_strategies/mine.py")
