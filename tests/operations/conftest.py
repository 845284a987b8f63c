"""The stages of the tests of export and import."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.operations.transfer.exporter import export_stage
from chalicelib.operations.transfer.stage import Stage
from tests.operations.stages import NOW, OBJECTS, fill, made, on_moto, realistic


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty AWS."""
    with on_moto(monkeypatch):
        yield


@pytest.fixture
def source(aws: None) -> Stage:
    """A stage that works: running engine, open order, open position, objects."""
    stage = made("one")
    fill(stage, realistic(), OBJECTS)
    return stage


@pytest.fixture(scope="session")
def export_of_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One export of that stage, for all tests."""
    out = tmp_path_factory.mktemp("exports") / "export"
    with pytest.MonkeyPatch.context() as patch, on_moto(patch):
        stage = made("one")
        fill(stage, realistic(), OBJECTS)
        export_stage(stage, out, True, NOW, lambda _: None)
    return out


@pytest.fixture
def exported(aws: None, export_of_source: Path, tmp_path: Path) -> Path:
    """A copy of that export, beside which there is nothing."""
    return Path(shutil.copytree(export_of_source, tmp_path / "export"))
