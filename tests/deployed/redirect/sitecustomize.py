"""Leads exchanges' host names to the loopback, in every Python process that has this folder on its path.

The deployed package stays as it is: it resolves the real name and checks a certificate, here one of the
test's own authority.
"""

import os
import socket
import ssl

_HOSTS = frozenset(filter(None, os.environ.get("TEST_EXCHANGE_HOSTS", "").split(",")))
_PORT = int(os.environ.get("TEST_EXCHANGE_PORT", "0"))
_AUTHORITY = os.environ.get("TEST_EXCHANGE_AUTHORITY", "")

_resolve = socket.getaddrinfo
_load = ssl.SSLContext.load_verify_locations


def _redirected(host, port, *arguments, **named):
    if host in _HOSTS:
        return _resolve("127.0.0.1", _PORT, *arguments, **named)
    return _resolve(host, port, *arguments, **named)


def _with_authority(context, *arguments, **named):
    _load(context, *arguments, **named)
    _load(context, cafile=_AUTHORITY)


if _HOSTS:
    socket.getaddrinfo = _redirected
    ssl.SSLContext.load_verify_locations = _with_authority
