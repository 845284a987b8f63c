"""cfn-lint finds nothing in what is deployed, with all its rules; checks that are left out have reasons."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from infra.stack import RESOURCES
from infra.template import merge
from infra.templates import REPOSITORY, main, write
from tests.infra.inventory import sam_template

CHECKOV = REPOSITORY / ".checkov.yaml"
CFN_LINT = REPOSITORY / ".cfnlintrc.yaml"


def lint(*paths: Path) -> str:
    program = Path(sys.executable).with_name("cfn-lint")
    command = [program, "--config-file", CFN_LINT, "--format", "parseable", "--template", *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Return the templates of both stages, as `python -m infra.templates` writes them."""
    return write(tmp_path_factory.mktemp("templates"))


def test_cfn_lint_finds_nothing(templates: tuple[Path, ...], tmp_path: Path) -> None:
    warm = tmp_path / "warm.json"
    options = merge(
        "prod", sam_template("prod"), snapstart=("api_handler",), provisioned={"execute_signals": 1}
    )
    warm.write_text(json.dumps(options))
    assert [path.name for path in templates] == [
        "resources.yaml",
        "functions-dev.json",
        "functions-prod.json",
    ]
    assert lint(*templates, warm) == ""


def test_cfn_lint_would_find_mistakes(templates: tuple[Path, ...], tmp_path: Path) -> None:
    template = json.loads(templates[1].read_text())
    heartbeat, alarm = (template["Resources"][name]["Properties"] for name in ("Heartbeat", "TicksLateAlarm"))
    heartbeat |= {"MemorySize": 64, "Tracin": "Active", "Role": {"Fn::GetAtt": ["NoRole", "Arn"]}}
    alarm["ComparisonOperator"] = "Above"
    path = tmp_path / "planted.json"
    path.write_text(json.dumps(template))
    assert set(re.findall(r":(E\d+):", lint(path))) == {"E1010", "E3002", "E3030", "E3034"}


def test_a_folder_to_write_templates_into_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err


def test_no_rule_of_cfn_lint_is_ignored() -> None:
    assert set(yaml.safe_load(CFN_LINT.read_text())) == {"include_checks", "regions"}
    assert "cfn-lint" not in RESOURCES.read_text()


def test_every_check_that_checkov_leaves_out_has_its_reason() -> None:
    text = CHECKOV.read_text()
    left_out = yaml.safe_load(text)["skip-check"]
    assert len(left_out) == len(set(left_out))
    explained = re.findall(r"^  # .{40,}\n(?:  # .+\n)*  - (CKV\w+)$", text, re.MULTILINE)
    assert explained == left_out
    assert "checkov" not in RESOURCES.read_text()
