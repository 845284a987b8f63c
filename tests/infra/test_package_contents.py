"""What goes into a package: our code without the user's side, dependencies without what no function reads."""

import marshal

import pytest

from chalicelib.errors import UsageError
from infra.bytecode import ROOT, compile_tree
from infra.prune import DROPPED, KEPT_SERVICES, dropped, prune, services
from infra.tree import LEFT_OUT, copy_own, own_files
from tests.infra.small_package import REPOSITORY, write

_UNCHECKED = 1


@pytest.mark.parametrize(
    "path",
    [
        "talib/_ta_lib.c",
        "talib/_stream.pxi",
        "numpy/_core/tests/test_dtype.py",
        "numpy/_core/_umath_tests.cpython-312-x86_64-linux-gnu.so",
        "numpy/__init__.pyi",
        "numpy/__pycache__/version.cpython-312.pyc",
        "botocore/data/ec2/2016-11-15/service-2.json.gz",
        "numpy-2.4.6.dist-info/RECORD",
        "pycparser/c_parser.py",
        "bin/f2py",
    ],
)
def test_what_no_function_reads_is_left_out_for_a_reason(path):
    rule = dropped(path)
    assert rule is not None
    assert rule.reason


@pytest.mark.parametrize(
    "path",
    [
        "numpy/_core/_multiarray_umath.cpython-312-x86_64-linux-gnu.so",
        "numpy.libs/libscipy_openblas64_-32a4b2a6.so",
        "talib/_ta_lib.cpython-312-x86_64-linux-gnu.so",
        "botocore/data/endpoints.json",
        "botocore/data/dynamodb/2012-08-10/service-2.json.gz",
        "botocore/data/sqs/2012-11-05/endpoint-rule-set-1.json.gz",
        "numpy-2.4.6.dist-info/METADATA",
        "numpy-2.4.6.dist-info/licenses/LICENSE.txt",
        "certifi/cacert.pem",
        "_cffi_backend.cpython-312-x86_64-linux-gnu.so",
    ],
)
def test_what_functions_need_stays(path):
    assert dropped(path) is None


def test_every_rule_has_a_reason_and_stands_once():
    assert all(rule.reason for rule in DROPPED)
    patterns = [rule.pattern for rule in DROPPED]
    assert len(patterns) == len(set(patterns))


def test_pruning_removes_files_and_the_folders_left_empty(tmp_path):
    kept = f"botocore/data/{next(iter(KEPT_SERVICES))}/1/service-2.json"
    write(
        tmp_path,
        {"a/tests/test_a.py": "12345", "a/__init__.py": "", kept: "{}", "botocore/data/ec2/1/x": "1"},
    )
    assert prune(tmp_path) == 6
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"a/__init__.py", kept}
    assert not (tmp_path / "a/tests").exists()
    assert list(services(tmp_path)) == [next(iter(KEPT_SERVICES))]


def test_our_code_is_copied_without_the_users_side(tmp_path):
    source = write(
        tmp_path / "source",
        {
            "app.py": "",
            "README.md": "",
            "chalicelib/__init__.py": "",
            "chalicelib/cli.py": "",
            "chalicelib/local/run.py": "",
            "chalicelib/locality.py": "",
            "chalicelib/__pycache__/x.cpython-312.pyc": "",
            "chalicelib/.env": "",
            "chalicelib/dashboard/page.html": "",
        },
    )
    copy_own(source, tmp_path / "copy")
    copied = {path.relative_to(tmp_path / "copy").as_posix() for path in own_files(tmp_path / "copy")}
    assert copied == {
        "app.py",
        "chalicelib/__init__.py",
        "chalicelib/locality.py",
        "chalicelib/dashboard/page.html",
    }
    assert not any((tmp_path / "copy" / name).exists() for name in LEFT_OUT)


def test_the_functions_of_this_repository_are_among_what_is_copied():
    names = {path.relative_to(REPOSITORY).as_posix() for path in own_files(REPOSITORY)}
    assert {"app.py", "chalicelib/triggers/heartbeat.py", "chalicelib/exchanges/ccxt_public.py"} <= names


def test_compiled_modules_never_check_their_source_and_say_where_it_will_be(tmp_path):
    write(tmp_path, {"a/module.py": "def f():\n    return {'x', 'y', 'z'}\n"})
    compile_tree(tmp_path)
    (compiled,) = tmp_path.rglob("*.pyc")
    content = compiled.read_bytes()
    assert int.from_bytes(content[4:8], "little") == _UNCHECKED
    assert marshal.loads(content[16:]).co_filename == f"{ROOT}/a/module.py"


def test_compiling_makes_the_same_bytes_wherever_it_happens(tmp_path):
    contents = []
    for place in ("one", "another"):
        root = write(
            tmp_path / place, {"m.py": "A = {'p', 'q'}\ndef g(x): return x in {'k', 'l', 'm'}, __name__\n"}
        )
        compile_tree(root)
        (compiled,) = root.rglob("*.pyc")
        contents.append(compiled.read_bytes())
    assert contents[0] == contents[1]


def test_a_module_that_does_not_compile_is_named(tmp_path):
    write(tmp_path, {"broken.py": "def f(:\n"})
    with pytest.raises(UsageError, match=r"broken\.py"):
        compile_tree(tmp_path)
