"""Finds the recorded market data and golden values that tests compare with."""

import os
from pathlib import Path

import pytest

_DEFAULT = Path(__file__).resolve().parent.parent.parent / "shared"


def shared_path(relative: str) -> Path:
    """Return a path below the shared folder, or skip the test where it is absent."""
    path = Path(os.environ.get("CTS_SHARED", _DEFAULT)) / relative
    if not path.exists():
        pytest.skip(f"no {relative} in CTS_SHARED or ../shared")
    return path
