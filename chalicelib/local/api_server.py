"""Serves the REST API of `app.py` on the loopback under `/api`, as API Gateway serves it under its stage."""

import json
import logging
import threading
from collections.abc import Mapping
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from chalice.app import Chalice
from chalice.config import Config
from chalice.local import (
    ChaliceRequestHandler,
    CustomLocalChalice,
    InvalidAuthorizerError,
    LocalChalice,
    LocalGateway,
    LocalGatewayException,
    NotAuthorizedError,
)

from chalicelib.domain.token import Unauthorized
from chalicelib.errors import UsageError

PREFIX = "/api"
HOST = "127.0.0.1"
MAX_BODY_BYTES = 1_000_000
_OWN_NAMES = (HOST, "localhost")
_DENIED = "AccessDeniedException"

_log = logging.getLogger("cts.local")


class ApiServer:
    """Owns the port from its making on, so that a port in use is found before anything else starts."""

    def __init__(self, port: int) -> None:
        """Take the port; UsageError if somebody else has it."""
        try:
            self._server = _Server((HOST, port), _Handler)
        except OSError as taken:
            raise UsageError(
                f"port {port} on {HOST} is in use: stop the other program or choose another --port"
            ) from taken
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), daemon=True)

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"http://{HOST}:{self._server.server_address[1]}{PREFIX}"

    def start(self, app: Chalice) -> None:
        """Begin to answer; until now requests wait."""
        # As `chalice local` does it: the request of one thread is not that of another.
        CustomLocalChalice.__bases__ = (LocalChalice, app.__class__)
        app.__class__ = CustomLocalChalice
        self._server.gateway = LocalGateway(app, Config())
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and free the port."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """A server with one thread per connection; threads that still answer don't hold up the end."""

    daemon_threads = True
    # Without it a restart within a minute finds its own port in use; two listeners are still refused.
    allow_reuse_address = True
    gateway: LocalGateway


class _Handler(ChaliceRequestHandler):
    """Answers one connection; errors of the gateway itself have the API's own form."""

    server: _Server
    timeout = 30

    def __init__(self, request: Any, client_address: Any, server: _Server) -> None:
        self.local_gateway = server.gateway
        super(ChaliceRequestHandler, self).__init__(request, client_address, server)

    def _generic_handle(self) -> None:
        if not self._is_from_here():
            self.close_connection = True
            self._refuse(403, "FORBIDDEN", "this API answers requests of this machine only")
            return
        if not self._says_one_thing():
            self.close_connection = True
            self._refuse_token()
            return
        length = self.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self._refuse(413, "TOO_LARGE", f"a request body has at most {MAX_BODY_BYTES} bytes")
            return
        headers, body = self._parse_payload()
        path, _, query = self.path.partition("?")
        if path != PREFIX and not path.startswith(f"{PREFIX}/"):
            self._refuse(404, "NOT_FOUND", f"no route {path}: the API is under {PREFIX}")
            return
        inner = path.removeprefix(PREFIX) or "/"
        try:
            answer = self.local_gateway.handle_request(
                method=self.command,
                path=inner.rstrip("/") + (f"?{query}" if query else "") or "/",
                headers=headers,
                body=body,
            )
        except (NotAuthorizedError, Unauthorized):
            self._refuse_token()
            return
        except LocalGatewayException as refused:
            self._refuse_route(refused, path)
            return
        except Exception:
            _log.exception("the API failed")
            self._refuse(500, "INTERNAL", "unexpected error; see cts.log")
            return
        self._send_answer(answer)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_PATCH = do_OPTIONS = _generic_handle  # noqa: N815

    def _says_one_thing(self) -> bool:
        """Tell whether there is at most one `Authorization`, in ASCII: Chalice would take the first."""
        given = self.headers.get_all("authorization") or []
        return len(given) <= 1 and "".join(given).isascii()

    def _is_from_here(self) -> bool:
        """Tell whether no foreign web page is behind a request, whatever token it may have got hold of."""
        origin = urlsplit(self.headers.get("origin") or f"http://{HOST}").hostname
        host = urlsplit(f"//{self.headers.get('host', HOST)}").hostname
        return origin in _OWN_NAMES and host in _OWN_NAMES

    def _send_answer(self, answer: dict[str, Any]) -> None:
        status = answer["statusCode"]
        answer = self._handle_binary(answer)
        body = answer["body"]
        if status >= 400 and not _has_envelope(body):
            said = json.loads(body) if isinstance(body, str) and body.startswith("{") else {}
            code = _upper_snake(said.get("Code", "ERROR"))
            self._refuse(status, code, said.get("Message", "the request was refused"))
            return
        headers = {**answer["headers"], **answer["multiValueHeaders"]}
        self._send_http_response(status, headers, body)

    def _refuse_token(self) -> None:
        told = "this request has no valid token: send Authorization: Bearer TOKEN (`cts token` prints one)"
        self._refuse(401, Unauthorized.code, told, {"WWW-Authenticate": "Bearer"})

    def _refuse_route(self, refused: LocalGatewayException, path: str) -> None:
        """Say what Chalice's gateway means: it answers 403 for denied requests and for unknown routes."""
        if isinstance(refused, InvalidAuthorizerError):
            self._refuse(500, "INTERNAL", "unexpected error; see cts.log")
        elif refused.headers.get("x-amzn-ErrorType") == _DENIED:
            self._refuse(403, "FORBIDDEN", "this token does not allow that")
        else:
            self._refuse(404, "NOT_FOUND", f"no route {self.command} {path}")

    def _refuse(self, status: int, code: str, error: str, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps({"success": False, "error": error, "details": {}, "code": code})
        self._send_http_response(status, {"Content-Type": "application/json", **(headers or {})}, body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        _log.info("api %s", format % args)


def _has_envelope(body: Any) -> bool:
    return isinstance(body, str) and '"success"' in body[:40]


def _upper_snake(name: str) -> str:
    """Return Chalice's name of an error in the form of our codes: `NotFoundError` becomes NOT_FOUND."""
    words = "".join(f"_{letter}" if letter.isupper() else letter for letter in name.removesuffix("Error"))
    return words.strip("_").upper()
