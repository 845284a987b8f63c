"""Serves fake exchanges over TLS on the loopback under their real host names.

    with served(fake_of("binance")) as fake:          # this process resolves and trusts the real names
        subprocess.run(..., env=os.environ | fake.server.environment())

A client that waits for a reply which never comes waits for its own timeout only: keep that short in tests.
"""

import functools
import select
import socket
import ssl
import struct
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tests.deployed.redirect import sitecustomize as redirect
from tests.fakes.certificates import authority, certificate_for
from tests.fakes.wire import Fake, Outcome, Reply, Request

REDIRECT = Path(redirect.__file__).parent
"""The folder that leads sub-processes to the loopback when it is on their PYTHONPATH."""

F = TypeVar("F", bound=Fake)

HELD_SECONDS = 30.0
"""The longest that a reply is held; clients in tests give up within a second."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Server:
    """One fake exchange on a free port of the loopback; the port stays the same while it refuses."""

    def __init__(self, fake: Fake, port: int = 0) -> None:
        self.fake = fake
        self.port = port
        self._stopping = threading.Event()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate_for(tuple(fake.hosts)))
        self._listener: _Listener | None = None

    def start(self) -> None:
        """Listen, and answer in threads."""
        self._stopping.clear()
        listener = _Listener(("127.0.0.1", self.port), functools.partial(_Handler, self.fake, self._stopping))
        listener.tls = self._tls
        self.port = listener.server_address[1]
        self._listener = listener
        threading.Thread(target=listener.serve_forever, args=(0.005,), daemon=True).start()

    def stop(self) -> None:
        """Close the port and all connections."""
        self._stopping.set()
        if self._listener is not None:
            self._listener.shutdown()
            self._listener.server_close()
            self._listener.hang_up()
            self._listener = None

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuse connections: nobody listens on the port, and those that were open are closed."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @property
    def connections(self) -> int:
        """How many connections were made since it listens."""
        return self._listener.made if self._listener else 0

    def ports(self) -> dict[str, int]:
        return dict.fromkeys(self.fake.hosts, self.port)

    def environment(self) -> dict[str, str]:
        """Return the variables that lead a Python sub-process to this server."""
        return environment(self)


def environment(*servers: Server) -> dict[str, str]:
    """Return the variables that lead a Python sub-process to these servers."""
    ports = {host: port for server in servers for host, port in server.ports().items()}
    return {
        "PYTHONPATH": str(REDIRECT.absolute()),
        "TEST_EXCHANGE_HOSTS": ",".join(f"{host}={port}" for host, port in ports.items()),
        "TEST_EXCHANGE_AUTHORITY": str(authority().path),
    }


@contextmanager
def served(fake: F) -> Iterator[F]:
    """Serve a fake and lead this process to it; a crash inside the fake fails the test at the end."""
    server = Server(fake)
    server.start()
    fake.server = server
    redirect.lead(server.ports(), str(authority().path))
    try:
        yield fake
    finally:
        redirect.forget(list(fake.hosts))
        server.stop()
    if fake.crashes:
        raise AssertionError("the fake exchange itself failed:\n" + "\n".join(fake.crashes))


class _Listener(ThreadingHTTPServer):
    """Accepts connections, and knows them all so that it can hang up."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    tls: ssl.SSLContext

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.made = 0
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self.made += 1
            self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.discard(connection)

    def hang_up(self) -> None:
        with self._lock:
            connections, self._connections = self._connections, set()
        for connection in connections:
            with suppress(OSError):
                # Not the TLS socket's own method: another thread may be reading from it.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away, or don't trust the certificate, are their own business."""


class _Hung(Exception):
    """The connection ends without an answer."""


class _Handler(BaseHTTPRequestHandler):
    """Turns HTTP into `Request`, and an `Outcome` into what the client sees."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Listener

    def __init__(self, fake: Fake, stopping: threading.Event, *arguments: Any) -> None:
        self._fake, self._stopping = fake, stopping
        super().__init__(*arguments)

    def setup(self) -> None:
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        self.server.opened(self.request)
        super().setup()

    def handle(self) -> None:
        with suppress(_Hung, OSError, ValueError):
            super().handle()

    def finish(self) -> None:
        self.server.closed(self.connection)
        with suppress(OSError, ValueError):
            super().finish()
        with suppress(OSError):
            self.connection.close()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        request = Request(
            method=self.command,
            host=self.headers.get("Host", "").partition(":")[0],
            path=parts.path,
            query=parts.query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length", 0))),
        )
        try:
            outcome = self._fake.answer(request)
            text = outcome.reply.text
        except Exception:
            self._crashed()
            outcome, text = Outcome(Reply("", status=500)), traceback.format_exc()
        self._act(outcome, text)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def _crashed(self) -> None:
        self._fake.crashes.append(traceback.format_exc())

    def _act(self, outcome: Outcome, text: str) -> None:
        if outcome.way == "hold":
            self._hold(outcome)
            raise _Hung
        if outcome.delay:
            self._stopping.wait(outcome.delay)
        if outcome.way == "reset":
            self._reset()
            raise _Hung
        self._reply(outcome.reply, text.encode())

    def _reply(self, reply: Reply, body: bytes) -> None:
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json;charset=UTF-8", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _hold(self, outcome: Outcome) -> None:
        """Wait until the client gives up; then do what comes afterwards."""
        ends = time.monotonic() + HELD_SECONDS
        while not self._stopping.is_set() and time.monotonic() < ends:
            if select.select([self.connection], [], [], 0.01)[0]:
                break
        if outcome.afterwards is None or self._stopping.wait(outcome.delay):
            return
        try:
            outcome.afterwards()
        except Exception:
            self._crashed()

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.rfile.close()
        self.wfile.close()
        self.connection.close()

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(self._fake.server_time() if timestamp is None else timestamp)

    def log_message(self, *_: Any) -> None:
        return
