"""`cts new-strategy`: what it writes works, passes its own test, and replaces nothing."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.errors import UsageError
from tests.strategy_files import Files, cts, strategy_files

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    with strategy_files(tmp_path, monkeypatch) as found:
        yield found


def test_a_new_strategy_works_and_so_does_its_test(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    assert cts("new-strategy", "dips") == 0
    files.forget()
    source = files.directory / "dips.py"
    test = files.directory.parents[1] / "tests" / "strategies" / "test_dips.py"
    said = capsys.readouterr().out
    assert f"wrote {source}\nwrote {test}\n" in said
    assert "cts check-strategy dips" in said
    assert cts("check-strategy", "dips") == 0
    spec = importlib.util.spec_from_file_location("test_dips", test)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tests = [value for name, value in vars(module).items() if name.startswith("test_")]
    assert len(tests) == 3
    for run in tests:
        run()
    lint = [sys.executable, "-m", "ruff", "--config", str(REPOSITORY / "pyproject.toml")]
    for action in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [*lint[:3], *action, *lint[3:], str(source), str(test)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_elsewhere_the_test_lies_beside_the_strategy(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cts("new-strategy", "dips", "--directory", str(tmp_path / "other")) == 0
    assert sorted(path.name for path in (tmp_path / "other").iterdir()) == ["dips.py", "test_dips.py"]
    assert f"move it to {files.directory}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name", ["Dips", "2dips", "a-b", "a.b", "../dips", "class", "_dips", "x" * 41, "trend"]
)
def test_a_bad_name_writes_nothing(files: Files, name: str) -> None:
    with pytest.raises(UsageError, match=r"can't name a strategy|is the name of a shipped strategy"):
        cts("new-strategy", name)
    assert not list(files.directory.iterdir())


def test_what_exists_is_kept(files: Files) -> None:
    path = files.write("dips", "mine")
    with pytest.raises(UsageError, match=r"dips\.py exists: choose another name"):
        cts("new-strategy", "dips")
    assert path.read_text() == "mine"
    path.unlink()
    test = files.directory.parents[1] / "tests/strategies/test_dips.py"
    test.parent.mkdir(parents=True)
    test.write_text("mine")
    with pytest.raises(UsageError, match=r"test_dips\.py exists"):
        cts("new-strategy", "dips")
    assert not path.exists()


def test_an_installed_engine_has_no_place_for_it(files: Files) -> None:
    (files.directory.parents[1] / "pyproject.toml").unlink()
    with pytest.raises(UsageError, match="name a --directory, or work in a clone"):
        cts("new-strategy", "dips")
