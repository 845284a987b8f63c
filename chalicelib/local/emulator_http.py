"""A keep-alive HTTP/1.1 server on one asyncio thread; the emulator's process answers every request with it.

One thread handles one request after the other, so that executing a write and storing it cannot be interleaved
with another write.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_RETRY_SECONDS = 0.02
_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n" for s in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; header names are lower case, `target` is the undecoded path with its query."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


#: Answers a request, or returns None to be asked again a moment later (an SQS long poll without messages).
Handler = Callable[[Request], Response | None]


class HttpConnection(asyncio.Protocol):
    """One client connection: collects bytes, calls the handler, writes the answers in order."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._waiting = False
        self._continued = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._serve()

    def _serve(self) -> None:
        while self._transport is not None and not self._waiting:
            try:
                request = self._next_request()
            except (ValueError, IndexError, UnicodeDecodeError):
                self._transport.write(_BAD_REQUEST)
                self._transport.close()
                return
            if request is None:
                return
            self._answer(request)

    def _answer(self, request: Request) -> None:
        self._waiting = False
        if self._transport is None:
            return
        response = self._handler(request)
        if response is None:
            self._waiting = True
            asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._resume, request)
            return
        self._transport.write(_encode(request, response))
        if request.headers.get("connection", "").lower() == "close":
            self._transport.close()

    def _resume(self, request: Request) -> None:
        self._answer(request)
        self._serve()

    def _next_request(self) -> Request | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        found = _body(self._buffer, end + 4, headers)
        if found is None:
            self._invite_body(headers)
            return None
        body, consumed = found
        del self._buffer[:consumed]
        self._continued = False
        return Request(method, target, headers, body)

    def _invite_body(self, headers: dict[str, str]) -> None:
        if headers.get("expect", "").lower() == "100-continue" and not self._continued and self._transport:
            self._continued = True
            self._transport.write(_CONTINUE)


def _body(buffer: bytearray, start: int, headers: dict[str, str]) -> tuple[bytes, int] | None:
    """Return the body and the offset after it, or None while bytes are missing."""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _chunked_body(buffer, start)
    end = start + int(headers.get("content-length") or 0)
    return (bytes(buffer[start:end]), end) if len(buffer) >= end else None


def _chunked_body(buffer: bytearray, start: int) -> tuple[bytes, int] | None:
    parts: list[bytes] = []
    while (line_end := buffer.find(b"\r\n", start)) >= 0:
        size = int(bytes(buffer[start:line_end]).split(b";")[0], 16)
        chunk = line_end + 2
        if len(buffer) < chunk + size + 2:
            return None
        if size == 0:
            return b"".join(parts), chunk + 2
        parts.append(bytes(buffer[chunk : chunk + size]))
        start = chunk + size + 2
    return None


def _encode(request: Request, response: Response) -> bytes:
    lines = [_STATUS_LINES.get(response.status, f"HTTP/1.1 {response.status} Unknown\r\n")]
    for name, value in response.headers.items():
        if name.lower() != "content-length":
            lines.append(f"{name}: {value}\r\n")
    head = request.method == "HEAD"
    length = (
        response.headers.get("content-length", response.headers.get("Content-Length", "0")) if head else None
    )
    if response.status not in (204, 304) or head:
        lines.append(f"Content-Length: {length or len(response.body)}\r\n")
    lines.append("\r\n")
    text = "".join(lines).encode("latin-1", "replace")
    return text if head else text + response.body
