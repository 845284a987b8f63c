"""What the build refuses to ship: too much, the wrong machine's code, development packages, secrets."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from infra.archive import Archive
from infra.direct import MOST_UPLOADED, upload_problems
from infra.elf import read_shared_object
from infra.native_check import native_problems
from infra.prune import KEPT_SERVICES
from infra.secret_scan import secret_problems
from infra.zip_check import (
    MOST_UNZIPPED,
    MOST_ZIPPED,
    REQUIRED,
    content_problems,
    development_problems,
    size_problems,
)
from tests.infra.small_package import ARM, X86, write

COMPLETE = {
    **dict.fromkeys(REQUIRED, ""),
    **{f"botocore/data/{name}/1/service-2.json.gz": "" for name in KEPT_SERVICES},
}


def archive(zipped: int, unzipped: int) -> Archive:
    return Archive(Path("x.zip"), zipped, unzipped, "")


def test_both_sizes_have_a_limit():
    assert size_problems(archive(MOST_ZIPPED, MOST_UNZIPPED)) == []
    (large,) = size_problems(archive(MOST_ZIPPED + 100_000, 1))
    assert large.startswith("zip size is 40.1 MB, more than 40 MB")
    (wide,) = size_problems(archive(1, MOST_UNZIPPED + 100_000))
    assert "unzipped size is 130.1 MB" in wide
    assert upload_problems(MOST_UPLOADED) == []
    assert "51.0 MB" in upload_problems(51_000_000)[0]


def test_what_must_be_there_is_named_when_it_is_not(tmp_path):
    assert content_problems(write(tmp_path, COMPLETE)) == []
    (tmp_path / "numpy/__init__.py").unlink()
    shutil.rmtree(tmp_path / "botocore/data/sqs")
    numpy, service = content_problems(tmp_path)
    assert "numpy/__init__.py is missing" in numpy
    assert "'sqs'" in service


def test_the_users_side_must_not_be_there(tmp_path):
    write(tmp_path, {**COMPLETE, "chalicelib/local/run.py": "", "chalicelib/cli.py": ""})
    found = content_problems(tmp_path)
    assert [problem.split()[0] for problem in found] == ["chalicelib/cli.py", "chalicelib/local"]


@pytest.fixture
def repository(tmp_path):
    return write(
        tmp_path / "repository",
        {
            "requirements.txt": "numpy==2\n",
            "requirements-local.txt": "moto[server]==5\nccxt==4\nchalice==1\n",
            "requirements-dev.txt": "-r requirements.txt\npytest==9\nimport-linter==2\n",
        },
    )


def test_development_packages_are_refused(tmp_path, repository):
    tree = write(
        tmp_path / "tree",
        {
            "numpy-2.dist-info/METADATA": "Name: numpy\nVersion: 2\n",
            "moto-5.dist-info/METADATA": "Name: moto\nVersion: 5\n",
            "stray-1.dist-info/METADATA": "Name: stray\nVersion: 1\n",
            "chalice/app.py": "",
            "ccxt/binance.py": "",
            "_pytest/config.py": "",
            "moto/server.py": "",
        },
    )
    assert development_problems(tree, repository) == [
        "moto is for development: take it out of requirements.txt",
        "stray is not pinned in requirements.txt",
        "package _pytest is for development: what brings it?",
        "package moto is for development: what brings it?",
    ]


def shared_object() -> Path:
    spec = find_spec("numpy._core._multiarray_umath")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


def test_a_shared_object_tells_its_machine_and_what_it_needs():
    found = read_shared_object(shared_object())
    assert found is not None
    assert found.machine in (X86.elf_machine, ARM.elf_machine)
    assert "libc.so.6" in found.needed
    assert any("openblas" in name for name in found.needed)


def test_shared_objects_must_be_of_the_machine_and_find_their_libraries(tmp_path):
    path = shared_object()
    found = read_shared_object(path)
    assert found is not None
    here, other = (X86, ARM) if found.machine == X86.elf_machine else (ARM, X86)
    tree = write(tmp_path, {"numpy/fast.so": path.read_bytes()})
    (missing,) = native_problems(here, tree)
    assert "openblas" in missing
    assert "is pruned or missing" in missing
    write(tree, {f"numpy.libs/{name}": path.read_bytes() for name in found.needed if "openblas" in name})
    assert native_problems(here, tree) == []
    wrong = native_problems(other, tree)
    assert len(wrong) == 2
    assert all(f"not for {other.architecture}" in problem for problem in wrong)


def test_a_library_of_another_system_is_refused(tmp_path):
    (problem,) = native_problems(X86, write(tmp_path, {"a.so": b"MZ\x90"}))
    assert "no 64-bit ELF" in problem


def test_ordinary_code_holds_no_secret(tmp_path):
    tree = write(
        tmp_path,
        {
            "app.py": "secret_name = 'cts-prod-jwt'\napi_key: str = ''\nTOKEN_TYPE = 'Bearer-of-the-stage'\n",
            "chalicelib/a.py": "digest = 'a94a8fe5ccb19ba61c4c0873d391e987982fbbd3'\nKEY = 'alias/cts'\n",
            "certifi/cacert.pem": "-----BEGIN CERTIFICATE-----",
        },
    )
    assert secret_problems(tree) == []


@pytest.mark.parametrize(
    "line",
    [
        "ID = 'AKIA" + "Q" * 16 + "'",
        "KEY = '''-----BEGIN " + "RSA PRIVATE KEY-----",
        "secret = 'b7f3a1d94c2e8f60" + "5a1b9c7d3e2f4a6b'",
        "'api_key': 'vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zv" + "sw0MuIgwCIPy6utIco14y7Ju91duEh8A',",
        "password: str = '9d8f7a6b5c4e3d2f" + "1a0b9c8d7e6f5a4b'",
        "t = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P'",
    ],
)
def test_a_secret_in_our_code_is_found_with_its_line(tmp_path, line):
    (problem,) = secret_problems(write(tmp_path, {"app.py": "", "chalicelib/a.py": f"x = 1\n{line}\n"}))
    assert problem.startswith("chalicelib/a.py:2 holds ")


@pytest.mark.parametrize(
    "name", [".env", "a/.env.prod", ".aws/credentials", "keys/id_ed25519", "server.pem", "a.key"]
)
def test_files_that_hold_secrets_are_found_anywhere(tmp_path, name):
    (problem,) = secret_problems(write(tmp_path, {"app.py": "", name: ""}))
    assert problem.startswith(f"{name} must not be shipped")
