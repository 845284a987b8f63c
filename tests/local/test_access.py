"""The secret of a local run: made once, readable by its owner alone, and good for tokens."""

import os
import stat
from pathlib import Path

import pytest

from chalicelib.errors import Rejected, UsageError
from chalicelib.local.access import new_token, open_to_tokens, secret_of
from tests.triggers.tokens import call


@pytest.fixture(autouse=True)
def local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTS_STAGE", "local")
    # So that what the code sets is put back.
    monkeypatch.setenv("CTS_AUTH_LOCAL_SECRET", "")


def test_the_secret_is_made_once_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        secret = open_to_tokens(tmp_path)
    finally:
        os.umask(before)
    assert len(secret) >= 48
    assert open_to_tokens(tmp_path) == secret_of(tmp_path) == os.environ["CTS_AUTH_LOCAL_SECRET"] == secret
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_each_directory_has_a_secret_of_its_own(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first, second = open_to_tokens(tmp_path / "a"), open_to_tokens(tmp_path / "b")
    assert first != second
    assert call(new_token(second))
    with pytest.raises(Rejected, match="Unauthorized"):
        call(new_token(first))


def test_a_new_token_gets_in_as_whom_it_names(tmp_path: Path) -> None:
    secret = open_to_tokens(tmp_path)
    assert call(new_token(secret))["context"] == {
        "tenant": "default",
        "subject": "operator",
        "roles": "admin",
    }
    found = call(new_token(secret, "ann", 1, "acme", "viewer"))
    assert found["context"] == {"tenant": "acme", "subject": "ann", "roles": "viewer"}
    assert call(new_token(secret, hours=24 * 31))
    with pytest.raises(Rejected, match="longer than this stage takes"):
        new_token(secret, hours=24 * 31 + 1)


@pytest.mark.parametrize("content", ["", "half", "x" * 40])
def test_a_secret_that_is_not_whole_is_made_anew(tmp_path: Path, content: str) -> None:
    open_to_tokens(tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_text(content)
    with pytest.raises(UsageError, match="has a secret for tokens"):
        secret_of(tmp_path)
    assert call(new_token(open_to_tokens(tmp_path)))


def test_a_directory_without_a_run_says_what_to_start(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UsageError, match=r"start `cts run`, or name its --state") as refused:
            secret_of(directory)
        assert "\n" not in str(refused.value)
