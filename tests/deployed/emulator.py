"""An AWS emulator that nobody here wrote, in a process and an environment of its own, on the loopback."""

import json
import os
import platform
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Template = dict[str, Any]

REGION = "eu-central-1"
ACCOUNT = "123456789012"
ENVIRONMENT = Path("build/tools/ministack")
UNKNOWN_TYPES = {
    "AWS::Logs::QueryDefinition": "saved queries are only shown to people; cfn-lint checks their form",
}
"""Resources that the emulator's CloudFormation does not know, and why the test can do without them."""

MATH_ALARM = "an alarm over metric math is refused; the inventory test and cfn-lint check its form"

_STARTS_WITHIN = 60.0
_ENDS_WITHIN = 20.0


@contextmanager
def running(inherited: Mapping[str, str], log: Path) -> Iterator[str]:
    """Run the emulator until the block ends; gives its address. Functions inherit these variables."""
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="cts-deployed-") as scratch, log.open("w") as output:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": scratch,
            "TMPDIR": scratch,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "LAMBDA_EXECUTOR": "local",
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            **inherited,
        }
        process = subprocess.Popen(
            [ENVIRONMENT.absolute() / "bin" / "ministack"], env=environment, stdout=output, stderr=output
        )
        address = f"http://127.0.0.1:{port}"
        try:
            _wait(process, address, log)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(_ENDS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def digestible(package: Path, folder: Path, spoiled: Callable[[Template], None]) -> Path:
    """Return a copy of a package as the emulator takes it: without what is `beyond` it, for this machine.

    The zip is the same file; nothing else of the template is touched.
    """
    template = json.loads((package / "template.json").read_text())
    resources = template["Resources"]
    template["Resources"] = {name: resource for name, resource in resources.items() if not beyond(resource)}
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["Architectures"] = [platform.machine()]
    spoiled(template)
    copy = folder / "package"
    copy.mkdir()
    (copy / "template.json").write_text(json.dumps(template))
    archive = f"deployment-{platform.machine()}.zip"
    (copy / archive).symlink_to((package / archive).absolute())
    return copy


def beyond(resource: Mapping[str, Any]) -> str:
    """Return why the emulator can't have a resource; empty if it can."""
    if resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]:
        return MATH_ALARM
    return UNKNOWN_TYPES.get(resource["Type"], "")


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the emulator ended with {process.returncode}: see {log}")
        try:
            with urllib.request.urlopen(f"{address}/_ministack/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the emulator did not answer within {_STARTS_WITHIN:.0f} s: see {log}")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
