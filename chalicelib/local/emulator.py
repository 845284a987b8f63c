"""The local AWS of `cts run`: `Emulator` starts, steers and stops the emulator's process; the module run as a
program is that process: `python -m chalicelib.local.emulator --port 0 --state DIR --clock real|virtual`.

It serves DynamoDB with streams, S3, SQS and Kinesis on 127.0.0.1 and prints its port as JSON when ready.
"""

import argparse
import asyncio
import http.client
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.errors import CtsError, UsageError

#: botocore.config.Config arguments that make a client fast against the emulator: validating parameters and
#: checksumming bodies costs more than the loopback, and a retry would hide a fault.
CLIENT_CONFIG: dict[str, Any] = {
    "parameter_validation": False,
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
    "tcp_keepalive": True,
    "max_pool_connections": 32,
    "connect_timeout": 5,
    "read_timeout": 30,
    "retries": {"mode": "standard", "max_attempts": 2},
}

_REPOSITORY = Path(__file__).resolve().parents[2]


class EmulatorFailed(CtsError):
    """The emulator's process did not start, or ended."""

    code = "EMULATOR"


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many records a shard was ever given, and how many of them are consumed."""

    consumed: int
    written: int

    @property
    def waiting(self) -> int:
        """Records that nobody has consumed."""
        return self.written - self.consumed


@dataclass(frozen=True, slots=True)
class Pending:
    """What waits: per queue the epoch second of its next message (None: empty), per shard its backlog."""

    now: float
    queues: dict[str, float | None]
    kinesis: dict[str, dict[str, Backlog]]
    dynamodb: dict[str, Backlog]


class Emulator:
    """A running emulator process that belongs to this one; safe to use from several threads."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process = process
        self._port = port
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._lock = threading.Lock()

    @classmethod
    def start(cls, state: Path, virtual: bool, port: int = 0, region: str = "us-east-1") -> "Emulator":
        """Start the process on a state directory and wait until it serves.

        Raises UsageError where the directory or the port cannot be used, EmulatorFailed for anything else.
        """
        state.mkdir(parents=True, exist_ok=True)
        clock = "virtual" if virtual else "real"
        command = [sys.executable, "-m", "chalicelib.local.emulator", "--port", str(port), "--with-parent"]
        command += ["--state", str(state), "--clock", clock, "--region", region]
        path = os.pathsep.join(filter(None, (str(_REPOSITORY), os.environ.get("PYTHONPATH"))))
        log_path = state / "emulator.log"
        with log_path.open("ab") as log:
            said_before = log.tell()
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PYTHONPATH": path},
                # Ctrl-C in the terminal is for the parent, which stops this process when it is done.
                start_new_session=True,
            )
        assert process.stdout is not None
        ready = process.stdout.readline()
        if not ready:
            raise _start_failure(process, log_path, said_before)
        return cls(process, int(json.loads(ready)["port"]))

    @property
    def endpoint_url(self) -> str:
        """The address for AWS_ENDPOINT_URL."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def process_id(self) -> int:
        """The operating system's id of the emulator's process."""
        return self._process.pid

    def set_time(self, epoch_seconds: float) -> None:
        """Move a virtual clock forward; earlier times are ignored, and a real clock ignores all."""
        self._call("POST", "clock", {"seconds": epoch_seconds})

    def pending(self) -> Pending:
        """Return what waits in queues and streams; one cheap call."""
        found = self._call("GET", "pending")
        return Pending(
            now=found["now"],
            queues=found["queues"],
            kinesis={
                name: {shard: Backlog(*counts) for shard, counts in shards.items()}
                for name, shards in found["kinesis"].items()
            },
            dynamodb={name: Backlog(*counts) for name, counts in found["dynamodb"].items()},
        )

    def next_due(self) -> float | None:
        """Return the epoch second at which the first message of any queue is receivable, or None."""
        due = [at for at in self.pending().queues.values() if at is not None]
        return min(due, default=None)

    def checkpoint(
        self,
        kinesis: dict[str, dict[str, int]] | None = None,
        dynamodb: dict[str, int] | None = None,
    ) -> None:
        """Store how many records of each Kinesis stream's shard and of each table's stream are consumed.

        Consumed records leave the streams: they are beyond the retention, now and after the next start.
        """
        tables = {table: {"": count} for table, count in (dynamodb or {}).items()}
        self._call("POST", "checkpoint", {"kinesis": kinesis or {}, "dynamodb": tables})

    def compact(self) -> None:
        """Rewrite the journal as short as it can be; it also happens by itself."""
        self._call("POST", "compact")

    def alive(self) -> bool:
        """Whether the process is running."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the process; it syncs its files first. Stopping twice is fine."""
        self._connection.close()
        if self.alive():
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _call(self, method: str, command: str, sent: dict[str, Any] | None = None) -> Any:
        body = json.dumps(sent or {})
        with self._lock:
            try:
                self._connection.request(method, f"/_emulator/{command}", body)
                answer = self._connection.getresponse()
                content = json.loads(answer.read())
            except (OSError, http.client.HTTPException) as lost:
                self._connection.close()
                raise EmulatorFailed(f"the AWS emulator does not answer: {lost}") from lost
        if answer.status != 200:
            raise EmulatorFailed(f"the AWS emulator refused {command}: {content.get('message')}")
        return content


def _start_failure(process: subprocess.Popen[bytes], log_path: Path, said_before: int) -> CtsError:
    status = process.wait()
    said = log_path.read_bytes()[said_before:].decode(errors="replace").strip().splitlines()
    message = said[-1] if said else f"it ended with status {status} and said nothing"
    return (
        UsageError(message) if status == 2 else EmulatorFailed(f"the AWS emulator did not start: {message}")
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the emulator's process until it is told to stop; 2 if its directory or port cannot be used."""
    parser = argparse.ArgumentParser(prog="chalicelib.local.emulator", description="Local AWS for `cts run`.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--state", type=Path, required=True, help="directory that holds everything")
    parser.add_argument("--clock", choices=("real", "virtual"), default="real")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--with-parent", action="store_true", help="stop when standard input closes")
    options = parser.parse_args(arguments)
    from chalicelib.local.emulator_server import EmulatorService, serve

    try:
        service = EmulatorService(options.state, options.clock == "virtual", options.region)
        asyncio.run(serve(service, options.port, options.with_parent))
    except UsageError as refused:
        print(refused, file=sys.stderr)
        return 2
    except OSError as refused:
        print(f"port {options.port} on 127.0.0.1 cannot be used: {refused.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
