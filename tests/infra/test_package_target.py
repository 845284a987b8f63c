"""What is packaged for: the Python that packages, the wheels that run there, the pins of requirements."""

import pytest

from chalicelib.errors import UsageError
from infra.requirements import RUNTIME, normalised, pins
from infra.target import ARCHITECTURES, Target, require_python
from tests.infra.small_package import REPOSITORY


@pytest.mark.parametrize("version", [(3, 11), (3, 9), (2, 7)])
def test_an_older_python_is_refused_and_the_message_says_what_to_do(version):
    with pytest.raises(
        UsageError, match=r"3\.12 or newer, this is .*make install PYTHON=/path/to/python3\.12"
    ):
        require_python(version)


@pytest.mark.parametrize("version", [(3, 12), (3, 13), (4, 0)])
def test_a_newer_python_packages_for_itself(version):
    assert require_python(version) == version


def test_wheels_are_those_of_the_runtimes_glibc():
    platforms = Target("arm64", (3, 12)).platforms
    assert {"manylinux_2_17_aarch64", "manylinux_2_34_aarch64", "manylinux2014_aarch64"} <= set(platforms)
    assert "manylinux_2_35_aarch64" not in platforms
    assert not any("x86_64" in tag for tag in platforms)


def test_extensions_are_found_by_the_endings_of_the_target():
    assert Target("arm64", (3, 13)).extension_suffixes[0] == ".cpython-313-aarch64-linux-gnu.so"


def test_at_most_one_architecture_is_native():
    assert sum(Target(name, require_python()).native for name in ARCHITECTURES) <= 1
    assert not any(Target(name, (3, 99)).native for name in ARCHITECTURES)


def test_pins_are_read_by_normalised_name(tmp_path):
    file = tmp_path / "requirements.txt"
    file.write_text('# why\n-r other.txt\nTA_Lib==0.8.2  # C\nmoto[server]==5.2.5 ; python_version > "3"\n\n')
    assert pins(file) == {"ta-lib": "0.8.2", "moto": "5.2.5"}
    assert normalised("Typing.Extensions__x") == "typing-extensions-x"


@pytest.mark.parametrize("line", ["numpy", "numpy>=2", "numpy~=2.4", "./numpy"])
def test_a_line_without_a_version_is_refused(tmp_path, line):
    file = tmp_path / "requirements.txt"
    file.write_text(f"wrapt==1\n{line}\n")
    with pytest.raises(UsageError, match=r"requirements\.txt:2 pins no version"):
        pins(file)


def test_all_requirements_of_the_functions_are_pinned():
    assert {"numpy", "botocore", "cryptography", "requests"} <= pins(REPOSITORY / RUNTIME).keys()
