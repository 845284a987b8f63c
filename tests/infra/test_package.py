"""The build as a whole on small projects: Chalice's template, zips and templates per stage, what stops it."""

import json

import pytest

from chalicelib.errors import UsageError
from infra import package, sam, zip_check
from infra.tree import copy_own
from tests.infra.small_package import ARM, X86, write

CONFIG = {
    "version": "2.0",
    "app_name": "small",
    "lambda_architecture": "arm64",
    "stages": {"dev": {"environment_variables": {"CTS_STAGE": "dev"}}, "prod": {}},
}
PROJECT = {
    "app.py": """
import os
from chalice.app import Chalice
from chalicelib.ticks import blueprint
app = Chalice(app_name="small")
app.register_blueprint(blueprint)
@app.route("/" + os.environ.get("CTS_STAGE", "none") + "/" + os.environ.get("CTS_EVENTS", "unset"))
def index():
    return {}
""",
    "chalicelib/__init__.py": "",
    "chalicelib/ticks.py": """
from chalice.app import Blueprint
blueprint = Blueprint(__name__)
@blueprint.on_sqs_message(queue="ticks")
def tick(event):
    return None
""",
    ".chalice/config.json": json.dumps(CONFIG),
    ".chalice/deployed/dev.json": "broken",
    "requirements.txt": "a-package-that-nobody-has==1\n",
}


@pytest.fixture
def project(tmp_path):
    return write(tmp_path / "project", PROJECT)


def test_chalice_writes_the_template_without_installing_anything(project, monkeypatch):
    # A variable of this shell must not come into the template.
    monkeypatch.setenv("CTS_EVENTS", "from-the-shell")
    template = sam.chalice_template(project, "dev")
    assert sam.handlers(template) == ("app.app", "chalicelib.ticks.tick")
    paths = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    assert list(paths) == ["/dev/unset"]


def test_an_app_that_does_not_load_is_reported_with_its_error(project):
    write(project, {"app.py": "import a_module_that_nobody_has\n"})
    with pytest.raises(UsageError, match=r"(?s)chalice package --stage dev failed.*a_module_that_nobody_has"):
        sam.chalice_template(project, "dev")


def test_chalices_configuration_names_stages_and_architecture(project):
    assert sam.stages(project) == ("dev", "prod")
    assert sam.architecture(project) == "arm64"


@pytest.fixture
def built(project, tmp_path, monkeypatch):
    """The build with its slow parts replaced: no wheels, no library; what it was asked is recorded."""
    asked = []

    def assemble(target, repository, vendor, into):
        asked.append(target)
        into.mkdir(parents=True, exist_ok=True)
        copy_own(repository, into)
        write(into, {"machine.txt": target.machine})
        return 0

    monkeypatch.setattr(package, "assemble", assemble)
    monkeypatch.setattr(package.vendor, "build", lambda _, into: write(into, {"ccxt/__init__.py": ""}))
    monkeypatch.setattr(package.sam, "chalice_template", lambda _, stage: {"Resources": {}, "Stage": stage})
    monkeypatch.setattr("infra.template.merge", lambda stage, template: {**template, "Merged": stage})
    monkeypatch.setattr(zip_check, "problems", lambda *_: ([], frozenset({"app.py"})))
    return asked


def test_every_stage_gets_its_template_and_all_zips(project, built, tmp_path):
    assert package.package(project, tmp_path / "out", ["dev", "prod"], [ARM, X86]) == ()
    for stage in ("dev", "prod"):
        folder = tmp_path / "out" / stage
        assert json.loads((folder / "sam.json").read_text()) == {"Resources": {}, "Stage": stage}
        assert json.loads((folder / "template.json").read_text())["Merged"] == stage
        assert {path.name for path in folder.glob("*.zip")} == {
            "deployment-arm64.zip",
            "deployment-x86_64.zip",
        }
    zips = {(tmp_path / "out" / stage / "deployment-arm64.zip").read_bytes() for stage in ("dev", "prod")}
    assert len(zips) == 1


def test_what_runs_here_is_built_first_so_that_the_other_can_be_compared(project, built, tmp_path):
    package.package(project, tmp_path / "out", ["dev"], [ARM, X86])
    assert [target.native for target in built] == sorted((target.native for target in built), reverse=True)


def test_a_module_that_only_one_architecture_has_is_a_problem(project, built, tmp_path, monkeypatch):
    monkeypatch.setattr(zip_check, "problems", lambda *_: ([], frozenset({"numpy/fast.cpython-312-x.so"})))
    problems = package.package(project, tmp_path / "out", ["dev"], [X86, ARM])
    assert any("numpy/fast.cpython-312-x.so" in problem for problem in problems)


def test_two_builds_are_compared(project, built, tmp_path, monkeypatch):
    assert package.package(project, tmp_path / "out", ["dev"], [X86], twice=True) == ()
    calls = []
    assemble = package.assemble

    def changing(target, repository, vendor, into):
        calls.append(into)
        assemble(target, repository, vendor, into)
        write(into, {"number.txt": str(len(calls))})
        return 0

    monkeypatch.setattr(package, "assemble", changing)
    (problem,) = package.package(project, tmp_path / "out", ["dev"], [X86], twice=True)
    assert "two builds differ" in problem


def test_a_package_with_a_problem_cannot_be_deployed_nor_can_the_one_before(
    project, built, tmp_path, monkeypatch
):
    assert package.package(project, tmp_path / "out", ["dev"], [X86]) == ()
    monkeypatch.setattr(zip_check, "problems", lambda *_: (["too large"], frozenset()))
    assert "x86_64: too large" in package.package(project, tmp_path / "out", ["dev"], [X86])
    assert not (tmp_path / "out" / "dev").exists()


def test_a_stage_that_is_not_configured_is_refused_before_anything_is_built(built, tmp_path, capsys):
    assert package.main(["--stage", "nowhere", "--out", str(tmp_path)]) == 2
    assert "no stage 'nowhere' in .chalice/config.json: use dev or prod" in capsys.readouterr().err
    assert built == []


def test_an_older_python_is_told_so_by_the_command(tmp_path, monkeypatch, capsys):
    def refuse():
        raise UsageError("packaging needs Python 3.12 or newer")

    monkeypatch.setattr(package, "require_python", refuse)
    assert package.main(["--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "packaging needs Python 3.12 or newer\n"
