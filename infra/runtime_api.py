"""Lambda's Runtime API on the loopback: hands events to one function's process and takes its answers.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from typing import Any
from uuid import uuid4

HOST = "127.0.0.1"
_PREFIX = "/2018-06-01/runtime"
_TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a function made of an event: its value, or the error that it ended with."""

    value: Any = None
    error: str = ""


class RuntimeApi:
    """Serves one function's process."""

    def __init__(self, function_arn: str, timeout: float) -> None:
        """Listen on a free port; `timeout` is the function's own, in seconds."""
        self._events: Queue[bytes | None] = Queue()
        self._answers: Queue[Answer] = Queue()
        self._arn = function_arn
        self._timeout = timeout
        self._server = _Server((HOST, 0), _Handler)
        self._server.api = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """What AWS_LAMBDA_RUNTIME_API says."""
        return f"{HOST}:{self._server.server_address[1]}"

    def put(self, event: Any) -> None:
        """Give the function an event."""
        self._events.put(json.dumps(event).encode())

    def answer(self, wait: float) -> Answer | None:
        """Return the next answer or error, or None if there is none within `wait` seconds."""
        try:
            return self._answers.get(timeout=wait)
        except Empty:
            return None

    def close(self) -> None:
        """Stop serving."""
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()

    def next_event(self) -> tuple[Mapping[str, str], bytes] | None:
        """Wait for an event and return it with the headers that Lambda sends; None at the end."""
        body = self._events.get()
        if body is None:
            return None
        headers = {
            "Lambda-Runtime-Aws-Request-Id": str(uuid4()),
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + self._timeout) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": self._arn,
            "Lambda-Runtime-Trace-Id": _TRACE,
            "Content-Type": "application/json",
        }
        return headers, body

    def take(self, path: str, body: bytes) -> None:
        """Keep what the function has posted."""
        content = json.loads(body or b"null")
        if path.endswith("/response"):
            self._answers.put(Answer(value=content))
        else:
            said = f"{content.get('errorType', 'Error')}: {content.get('errorMessage', '')}"
            self._answers.put(Answer(error=said))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    api: RuntimeApi

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a connection that ends with its function's process."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        if self.path != f"{_PREFIX}/invocation/next":
            self._send(404, {}, b"")
            return
        event = self.server.api.next_event()
        if event is None:
            self.close_connection = True
            return
        self._send(200, *event)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.api.take(self.path, body)
        self._send(202, {}, b'{"status":"OK"}')

    def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: the answers are what is looked at."""
