"""A function under the runtime check: isolated like on Lambda, its answers, errors and end are seen."""

import base64
import json
import urllib.error
import urllib.request

import pytest

from chalicelib.domain.token import Identity, Terms, judge
from infra.runtime_events import authorizer_event, rest_event, token
from infra.runtime_function import Function
from tests.infra.small_package import write

RUNTIME = '''
"""Stands in for Lambda's runtime: the same requests, in twenty lines."""
import importlib
import json
import os
import sys
import urllib.request

BASE = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime"


def post(path, content):
    urllib.request.urlopen(urllib.request.Request(f"{BASE}/{path}", json.dumps(content).encode()))


module, _, name = sys.argv[1].rpartition(".")
try:
    handler = getattr(importlib.import_module(module), name)
except ImportError as error:
    post("init/error", {"errorType": "Runtime.ImportModuleError", "errorMessage": str(error)})
    raise SystemExit(1)
while True:
    with urllib.request.urlopen(f"{BASE}/invocation/next") as answer:
        event, request = json.load(answer), answer.headers["Lambda-Runtime-Aws-Request-Id"]
    try:
        post(f"invocation/{request}/response", handler(event, None))
    except Exception as error:
        post(f"invocation/{request}/error", {"errorType": type(error).__name__, "errorMessage": str(error)})
'''
PACKAGE = {
    "tasks.py": """
import os
import sys
def echo(event, context): return {"got": event}
def fail(event, context): raise ValueError("no")
def end(event, context):
    print("last words", flush=True)
    os._exit(3)
def seen(event, context): return {"path": sys.path, "environment": dict(os.environ)}
""",
    "needy.py": "import numpy\n",
}


@pytest.fixture
def start(tmp_path):
    package = write(tmp_path / "package", PACKAGE)
    runtime = write(
        tmp_path / "runtime", {"awslambdaric/__init__.py": "", "awslambdaric/__main__.py": RUNTIME}
    )
    started = []

    def function(handler, **environment):
        log = tmp_path / "function.log"
        started.append(
            Function(handler, package, runtime, {"AWS_REGION": "eu-central-1", **environment}, log)
        )
        return started[-1]

    yield function
    for one in started:
        one.close()


def test_answers_come_back_one_per_event(start):
    function = start("tasks.echo")
    assert [function.invoke({"n": n}).value for n in range(3)] == [{"got": {"n": n}} for n in range(3)]


def test_an_error_of_the_handler_is_its_answer(start):
    assert start("tasks.fail").invoke({}).error == "ValueError: no"


def test_a_module_of_this_machine_is_not_seen(start):
    assert "No module named 'numpy'" in start("needy.handler").invoke({}).error


def test_a_process_that_ends_is_an_error_with_its_last_words(start):
    answer = start("tasks.end").invoke({})
    assert "the process ended" in answer.error
    assert "last words" in answer.error


def test_the_package_comes_first_and_nothing_of_this_shell_is_inherited(start, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "real")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    seen = start("tasks.seen", CTS_STAGE="dev").invoke({}).value
    assert seen["path"][0].endswith("/package")
    assert seen["path"][-1].endswith("/runtime")
    assert not any("site-packages" in path for path in seen["path"])
    environment = seen["environment"]
    assert environment["CTS_STAGE"] == "dev"
    assert environment["_HANDLER"] == "tasks.seen"
    assert environment["LAMBDA_TASK_ROOT"] == seen["path"][0]
    assert not {"AWS_PROFILE", "HOME", "PYTHONPATH"} & environment.keys()


def test_what_stands_in_for_the_network_is_led_in(start, tmp_path):
    folder = write(tmp_path / "redirect", {"sitecustomize.py": "import os\nos.environ['LED_IN'] = 'yes'\n"})
    assert start("tasks.seen", PYTHONPATH=str(folder)).invoke({}).value["environment"]["LED_IN"] == "yes"


def test_the_runtime_api_listens_on_the_loopback_only(start):
    function = start("tasks.seen")
    address = function.invoke({}).value["environment"]["AWS_LAMBDA_RUNTIME_API"]
    assert address.startswith("127.0.0.1:")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://{address}/elsewhere")


def test_a_token_of_the_check_is_one_that_the_stage_takes():
    claims = token("s" * 32, "cts-dev", "default").split(".")[1]
    read = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    terms = Terms("cts-dev", "cts-dev", "", 3600.0)
    assert judge(read, terms, read["iat"]) == Identity("default", "runtime-check", ("admin",))


def test_events_have_the_shapes_of_api_gateway():
    event = rest_event("POST", "/x/{name}", {"name": "a"}, {"b": 1}, {"tenant": "t"})
    assert (event["path"], event["resource"]) == ("/x/a", "/x/{name}")
    assert event["pathParameters"] == {"name": "a"}
    assert json.loads(event["body"]) == {"b": 1}
    assert event["requestContext"]["authorizer"] == {"tenant": "t"}
    plain, asked_for = rest_event("GET", "/x"), rest_event("GET", "/x", query={"limit": "5"})
    assert plain["body"] is plain["queryStringParameters"] is plain["multiValueQueryStringParameters"] is None
    assert asked_for["queryStringParameters"] == {"limit": "5"}
    assert asked_for["multiValueQueryStringParameters"] == {"limit": ["5"]}
    asked = authorizer_event("abc", "eu-central-1")
    assert (asked["type"], asked["authorizationToken"]) == ("TOKEN", "Bearer abc")
