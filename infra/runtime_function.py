"""One function of an unzipped package in a process of its own, as Lambda runs it; for the runtime check."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chalicelib.local.event_shapes import resource_name
from infra.requirements import pins
from infra.runtime_api import Answer, RuntimeApi

_BOOTSTRAP = Path(__file__).with_name("runtime_bootstrap.py")
REQUIREMENTS = Path(__file__).with_name("requirements-runtime.txt")
MEMORY_MEGABYTES = 512
TIMEOUT_SECONDS = 50.0
_POLL = 0.25
_LOG_BYTES = 5000


def runtime(folder: Path) -> Path:
    """Install Lambda's runtime into `folder` unless these versions are there; return the folder."""
    mark = folder / "installed.txt"
    wanted = "\n".join(f"{name}=={version}" for name, version in pins(REQUIREMENTS).items())
    if not mark.is_file() or mark.read_text() != wanted:
        command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        subprocess.run(
            [*command, "--no-deps", "--upgrade", "--target", str(folder), "-r", str(REQUIREMENTS)], check=True
        )
        mark.write_text(wanted)
    return folder


class Function:
    """A started function; its environment is the given one and Lambda's own, nothing of this process."""

    def __init__(
        self, handler: str, package: Path, runtime_folder: Path, environment: Mapping[str, str], log: Path
    ) -> None:
        self.handler = handler
        self.log = log
        name = f"cts-check-{handler.rpartition('.')[2]}"
        region = environment["AWS_REGION"]
        arn = resource_name("lambda", region, f"function:{name}")
        self._api = RuntimeApi(arn, TIMEOUT_SECONDS)
        command = [
            sys.executable,
            "-S",
            "-I",
            "-B",
            str(_BOOTSTRAP),
            str(package),
            str(runtime_folder),
            handler,
        ]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=package,
                env={**_lambda_environment(name, handler, package, self._api.address), **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def invoke(self, event: Any) -> Answer:
        """Give the function an event and return its answer; an error tells also of a process that ended."""
        self._api.put(event)
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            answer = self._api.answer(_POLL)
            if answer is not None:
                return answer
            if self._process.poll() is not None:
                return self._api.answer(0) or Answer(error=f"the process ended: {self.said()}")
        return Answer(error=f"no answer within {TIMEOUT_SECONDS:.0f} s: {self.said()}")

    def said(self) -> str:
        """Return the end of what the function has logged."""
        return self.log.read_bytes()[-_LOG_BYTES:].decode(errors="replace").strip()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._api.close()


def _lambda_environment(name: str, handler: str, package: Path, address: str) -> dict[str, str]:
    """Return the variables that Lambda sets (its documentation, "Defined runtime environment variables")."""
    version = ".".join(map(str, sys.version_info[:2]))
    return {
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{version}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(MEMORY_MEGABYTES),
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]check",
        "AWS_LAMBDA_RUNTIME_API": address,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "LAMBDA_TASK_ROOT": str(package),
        "LANG": "en_US.UTF-8",
        "PATH": os.defpath,
        "TZ": ":UTC",
        "_HANDLER": handler,
    }
