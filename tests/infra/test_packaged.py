"""The packaged zip under Lambda's own runtime; make test-package runs it on what make package has made."""

import os
from pathlib import Path

import pytest

from infra.runtime_check import check

PACKAGED = os.environ.get("CTS_PACKAGE", "")

pytestmark = [
    pytest.mark.skipif(not PACKAGED, reason="make test-package names the package in CTS_PACKAGE"),
    pytest.mark.timeout(600),
]


def test_every_function_does_its_work():
    assert check(Path(PACKAGED)) == []


@pytest.mark.parametrize(
    "removed",
    [
        "requests",  # what the exchange library imports, when a client is made
        "talib",  # what one function imports
        "jmespath",  # what a dependency of a dependency imports
        "numpy.libs",  # what a shared object needs
    ],
)
def test_a_package_without_a_dependency_fails(removed):
    (problem,) = check(Path(PACKAGED), without=[removed])
    assert f"No module named '{removed}" in problem or "cannot open shared object file" in problem
