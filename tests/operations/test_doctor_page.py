"""docs/operations.md: every command in it is one that exists, every link leads somewhere."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from chalicelib.operations import token
from chalicelib.operations.doctor import command as doctor
from chalicelib.operations.doctor.account import new_secret
from chalicelib.operations.transfer import command as transfer
from tests.operations.commands import blocks, counted, unreal

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
CODE = blocks(PAGE)


def _anchors(page: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_commands_of_the_aws_cli_are_real() -> None:
    assert unreal(CODE) == []
    assert counted(CODE) > 20


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("aws dynamodb restore-tables --x", "aws dynamodb restore-tables: no such command"),
        ("aws kms enable-key --key KEY", "aws kms enable-key: no option --key"),
        ("aws dynamodb wait table-there --table-name t", "aws dynamodb wait table-there: no such waiter"),
        ("x && aws s3 sync a b --remove; aws kms enable-key --key-id k", "aws s3 sync: no option --remove"),
    ],
)
def test_commands_that_do_not_exist_are_found(text: str, problem: str) -> None:
    assert unreal(text) == [problem]


def test_the_command_of_a_remedy_is_real() -> None:
    assert unreal(new_secret("cts-dev-jwt")) == []
    assert counted(new_secret("cts-dev-jwt")) == 2


def test_our_own_commands_take_these_options() -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    commands = parser.add_subparsers(required=True)
    for module in (doctor, transfer, token):
        module.register(commands)
    code = re.sub(r"\$\(date[^)]*\)", "NOW", CODE)
    found = re.findall(r"(?:^|&& |\$\(|bin/)cts ((?:doctor|export|import|token)\b[^\n#&)]*)", code, re.M)
    assert len(found) > 10
    for line in found:
        parser.parse_args(shlex.split(line))


def test_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    asked = set(re.findall(r"\bmake ([a-z-]+)", CODE))
    assert asked <= targets
    assert {"install", "infra", "package", "deploy"} <= asked


def test_links_lead_somewhere() -> None:
    own, runbook = _anchors(PAGE), _anchors((ROOT / "docs" / "runbook.md").read_text(encoding="utf-8"))
    for path, anchor in re.findall(r"\]\(([a-z.]*)#?([a-z-]*)\)", PAGE):
        assert not path or (ROOT / "docs" / path).is_file()
        assert not anchor or anchor in own
    sources = (ROOT / "chalicelib" / "operations" / "doctor").glob("*.py")
    text = "\n".join(source.read_text(encoding="utf-8") for source in sources)
    text = text.replace("{RUNBOOK}", "docs/runbook.md")
    named = re.findall(r"docs/(operations|runbook)\.md#([a-z-]+)", text)
    assert len(named) >= 4
    assert all(anchor in (own if page == "operations" else runbook) for page, anchor in named)
