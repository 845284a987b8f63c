"""Looks for secrets in what is about to be shipped; `infra.zip_check` calls it."""

import re
from collections.abc import Iterator
from pathlib import Path

from infra.tree import own_files

_PATTERNS = {
    "an AWS access key id": re.compile(r"\b(AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}\b"),
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    "a token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    "a secret written out": re.compile(
        r"""(?ix) (secret | password | passwd | token | api_?key | private_?key | credential) \w*
        ['"]? \s* (:\s*\w+\s*)? [:=] \s* [bru]* ['"] (?P<value> [A-Za-z0-9+/_=-]{24,}) ['"]"""
    ),
}

_FILES = re.compile(
    r"(^|/)(\.env[^/]*|\.netrc|\.pypirc|credentials|id_(rsa|dsa|ecdsa|ed25519)|[^/]+\.(p12|pfx|key))$"
)
_CERTIFICATES = frozenset({"botocore/cacert.pem", "certifi/cacert.pem"})


def secret_problems(tree: Path) -> list[str]:
    """Return where our own code holds what looks like a secret, and which files never belong into a zip."""
    problems = [f"{name} must not be shipped: take it out of the sources" for name in _files(tree)]
    for path in own_files(tree):
        problems.extend(_in_text(path.relative_to(tree).as_posix(), path.read_text(errors="replace")))
    return problems


def _files(tree: Path) -> Iterator[str]:
    for path in sorted(tree.rglob("*")):
        name = path.relative_to(tree).as_posix()
        if _FILES.search(name) or (path.suffix == ".pem" and name not in _CERTIFICATES):
            yield name


def _in_text(name: str, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), start=1):
        for what, pattern in _PATTERNS.items():
            found = pattern.search(line)
            if found and _is_random(found.groupdict().get("value")):
                yield f"{name}:{number} holds {what}: take it from Secrets Manager or from the environment"


def _is_random(value: str | None) -> bool:
    """Tell a key from a word: names such as `client-order-id` have no digits, or few different letters."""
    return value is None or (any(map(str.isdigit, value)) and len(set(value)) >= 10)
