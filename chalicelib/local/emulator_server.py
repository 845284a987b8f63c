"""The emulator's process: answers AWS calls with moto, keeps what they changed, serves `/_emulator/`.

`chalicelib.local.emulator` runs it; nothing else in the project imports it, because it changes moto.
"""

import asyncio
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from werkzeug.exceptions import HTTPException

from chalicelib.local import emulator_patches
from chalicelib.local.emulator_calls import Call, Effect, parse_call
from chalicelib.local.emulator_clock import EmulatorClock
from chalicelib.local.emulator_http import HttpConnection, Request, Response
from chalicelib.local.journal import Journal, JournalState
from chalicelib.local.object_files import ObjectFiles

_CONTROL = "/_emulator/"
_SYNC_SECONDS = 1.0
_TOKEN_SECONDS = 600.0
_Dispatch = Callable[[Any, str, dict[str, str]], Any]


class EmulatorService:
    """All of AWS that the engine uses, in one process; every method runs on the event loop's thread."""

    def __init__(self, directory: Path, virtual: bool, region: str) -> None:
        """Open the state directory and put back what it holds; UsageError if it cannot be used."""
        self._journal = Journal(directory, default=emulator_patches.wire_default)
        self._objects = ObjectFiles(directory / "objects")
        self._clock = EmulatorClock(virtual)
        self._region = region
        self._polls: dict[int, float] = {}
        state = self._journal.state
        self._clock.pin(state.clock)
        emulator_patches.install(self._clock)
        # moto is imported from here on: its clock had to be replaced first.
        from chalicelib.local.emulator_capture import Backends, Capture

        self._backends = Backends(region)
        self._capture = Capture(self._backends, self._objects)
        self._dispatchers = _dispatchers()
        self._tokens = dict(state.tokens)
        self._restore(state)

    def _restore(self, state: JournalState) -> None:
        from chalicelib.local.emulator_restore import restore_data

        for _, recorded in state.definitions:
            self._clock.pin(recorded["at"])
            service = recorded["service"]
            signature = f"AWS4-HMAC-SHA256 Credential=local/20000101/{self._region}/{service}/aws4_request"
            headers = {**recorded["headers"], "authorization": signature, "host": "127.0.0.1"}
            body = recorded["body"].encode()
            self._dispatch(service, Request(recorded["method"], recorded["target"], headers, body))
        restore_data(state, self._objects, self._backends, self._capture, self._clock)
        self._clock.release(state.clock)
        # From here on the files are the truth; what was read is no longer needed.
        self._journal.forget_state()

    def answer(self, request: Request) -> Response | None:
        """Answer a request; None means that a long poll has to wait."""
        try:
            if request.target.startswith(_CONTROL):
                return self._control(request)
            return self._aws(request)
        except Exception:
            traceback.print_exc()
            return _refusal(500, "InternalFailure", "the local emulator failed; see emulator.log")

    def sync(self) -> None:
        """Make everything written so far survive a power failure."""
        self._journal.sync()
        self._objects.sync()

    def close(self) -> None:
        """Sync and give the state directory free."""
        self.sync()
        self._journal.close()

    def _aws(self, request: Request) -> Response | None:
        scope = request.headers.get("authorization", "").partition("Credential=")[2].split("/")
        if len(scope) < 5:
            return _refusal(403, "MissingAuthenticationToken", "sign the request, with any key")
        region, service = scope[2], scope[3]
        if request.headers.get("x-amz-target", "").startswith("DynamoDBStreams"):
            service = "dynamodbstreams"
        if service not in self._dispatchers or region != self._region:
            return _refusal(
                501, "NotImplemented", f"the local emulator has no {service} in {region}, only {self._region}"
            )
        call = parse_call(service, request)
        if call.effect is Effect.UNKNOWN:
            return _refusal(
                501, "NotImplemented", f"the local emulator does not keep what {call.operation} does"
            )
        if call.operation == "TransactWriteItems":
            return self._transact(call)
        return self._execute(call)

    def _transact(self, call: Call) -> Response | None:
        token = call.parameters.get("ClientRequestToken", "")
        if token and self._clock.now() - self._tokens.get(token, float("-inf")) < _TOKEN_SECONDS:
            return Response(200, {"Content-Type": "application/x-amz-json-1.0"}, b"{}")
        sent = [["token", token, self._clock.now()]] if token else []
        response = self._execute(call, sent)
        if token and response is not None and response.status == 200:
            self._tokens[token] = self._clock.now()
            for known in [t for t, at in self._tokens.items() if at < self._clock.now() - _TOKEN_SECONDS]:
                del self._tokens[known]
        return response

    def _execute(self, call: Call, further: list[Any] | None = None) -> Response | None:
        response = self._dispatch(call.service, call.request)
        if call.operation == "ReceiveMessage" and self._must_wait(call, response):
            return None
        if response.status < 300 and call.effect is not Effect.NOTHING:
            changes = self._capture.changes(call, self._clock.now())
            if changes:
                self._journal.append(self._clock.now(), changes + (further or []))
        return response

    def _must_wait(self, call: Call, response: Response) -> bool:
        seconds = call.parameters.get("WaitTimeSeconds", 0)
        if not seconds or response.status != 200 or b'"Messages"' in response.body:
            self._polls.pop(id(call.request), None)
            return False
        now = time.monotonic()
        until = self._polls.setdefault(id(call.request), now + seconds)
        for poll in [poll for poll, end in self._polls.items() if end <= now]:
            del self._polls[poll]
        return now < until

    def _dispatch(self, service: str, request: Request) -> Response:
        moto_request = _moto_request(request)
        try:
            status, headers, body = self._dispatchers[service](
                moto_request, moto_request.raw_url, dict(moto_request.headers)
            )
        except HTTPException as refused:
            answer = refused.get_response()
            status, headers, body = answer.status_code, dict(answer.headers), answer.get_data()
        content = body.encode() if isinstance(body, str) else bytes(body or b"")
        return Response(int(status), {name: str(value) for name, value in headers.items()}, content)

    def _control(self, request: Request) -> Response:
        command = request.target.removeprefix(_CONTROL)
        sent = json.loads(request.body or b"{}")
        if command == "pending":
            return _json({"now": self._clock.now(), **self._capture.pending()})
        if command == "clock":
            before = self._clock.now()
            self._clock.set(float(sent["seconds"]))
            if self._clock.now() > before and self._clock.virtual:
                self._journal.append(self._clock.now(), [])
            return _json({"now": self._clock.now()})
        if command == "checkpoint":
            self._checkpoint(sent)
            return _json({})
        if command == "compact":
            self._journal.compact()
            return _json({"bytes": self._journal.size})
        return _refusal(404, "UnknownCommand", f"no command {command}")

    def _checkpoint(self, sent: dict[str, dict[str, dict[str, int]]]) -> None:
        changes: list[Any] = []
        for kind, names in sent.items():
            for name, shards in names.items():
                for shard, count in shards.items():
                    self._capture.consume(kind, name, shard, count)
                    changes.append(["consumed", kind, name, shard, count])
        if changes:
            self._journal.append(self._clock.now(), changes)


def _dispatchers() -> dict[str, _Dispatch]:
    from moto.dynamodb.responses import DynamoHandler
    from moto.dynamodbstreams.responses import DynamoDBStreamsHandler
    from moto.kinesis.responses import KinesisResponse
    from moto.s3.responses import S3Response
    from moto.sqs.responses import SQSResponse

    def s3(request: Any, url: str, headers: dict[str, str]) -> Any:
        has_key = "/" in request.raw_path.lstrip("/").rstrip("/")
        dispatch = S3Response.key_dispatch if has_key else S3Response.bucket_dispatch
        return dispatch(request, url, headers)

    return {
        "dynamodb": DynamoHandler.dispatch,
        "dynamodbstreams": DynamoDBStreamsHandler.dispatch,
        "kinesis": KinesisResponse.dispatch,
        "sqs": SQSResponse.dispatch,
        "s3": s3,
    }


def _moto_request(request: Request) -> Any:
    from moto.core.request import Request as MotoRequest

    path, _, query = request.target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(path, "latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": request.target,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0),
        "CONTENT_LENGTH": str(len(request.body)),
    }
    for name, value in request.headers.items():
        if name == "content-type":
            environ["CONTENT_TYPE"] = value
        elif name not in ("content-length", "transfer-encoding"):
            environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    return MotoRequest(environ)


def _json(content: dict[str, Any]) -> Response:
    return Response(200, {"Content-Type": "application/json"}, json.dumps(content).encode())


def _refusal(status: int, code: str, message: str) -> Response:
    body = json.dumps({"__type": code, "message": message}).encode()
    return Response(status, {"Content-Type": "application/x-amz-json-1.0", "x-amzn-errortype": code}, body)


async def serve(service: EmulatorService, port: int, dies_with_parent: bool) -> None:
    """Serve on 127.0.0.1 until SIGTERM, SIGINT or, if asked, the parent's end; print the port as JSON."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(lambda: HttpConnection(service.answer), "127.0.0.1", port)
    if dies_with_parent:
        loop.add_reader(
            sys.stdin.fileno(), lambda: stop.set() if not os.read(sys.stdin.fileno(), 1024) else None
        )
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    parent = os.getppid()
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), _SYNC_SECONDS)
        except TimeoutError:
            service.sync()
        if dies_with_parent and os.getppid() != parent:
            break
    server.close()
    service.close()
