"""Who may use the API of a local run: whoever can read the secret in its state directory can sign tokens.

`cts run` makes the secret and shows a token at its start; `cts token` makes further ones.
"""

import os
import secrets
import time
from pathlib import Path

from chalicelib.errors import UsageError
from chalicelib.settings import DEFAULT_TENANT, Settings

DEFAULT_SUBJECT = "operator"
DEFAULT_HOURS = 24.0
_SECRET = "api-secret"
_SECRET_BYTES = 48
_HOUR = 3600.0


def open_to_tokens(directory: Path) -> str:
    """Let the authorizer of this process take the tokens of a state directory; return their secret.

    It is made at the first start and kept, so that tokens stay valid over restarts.
    """
    secret = _read(directory / _SECRET)
    if not secret:
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        _write_private(directory / _SECRET, secret)
    os.environ["CTS_AUTH_LOCAL_SECRET"] = secret
    return secret


def secret_of(directory: Path) -> str:
    """Return the secret of a state directory; UsageError if no run has made one there."""
    secret = _read(directory / _SECRET)
    if not secret:
        raise UsageError(
            f"no run in {directory} has a secret for tokens: start `cts run`, or name its --state"
        )
    return secret


def new_token(
    secret: str,
    subject: str = DEFAULT_SUBJECT,
    hours: float = DEFAULT_HOURS,
    tenant: str = DEFAULT_TENANT,
    role: str = "admin",
) -> str:
    """Return a token for the API of a local run, valid from now; Rejected if the run would refuse it."""
    # Not before the environment is set: what they import reads it.
    from chalicelib.domain.token import Identity
    from chalicelib.triggers.api.auth_settings import local_settings
    from chalicelib.triggers.api.authorizer import issue

    terms = local_settings(Settings(), secret).terms
    return issue(Identity(tenant, subject, (role,)), terms, secret.encode(), hours * _HOUR, time.time())


def _read(path: Path) -> str:
    """Return the secret in a file; empty if it is not there or not whole."""
    text = path.read_text(encoding="ascii", errors="replace") if path.is_file() else ""
    return text if len(text) >= _SECRET_BYTES else ""


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, all or nothing."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)
