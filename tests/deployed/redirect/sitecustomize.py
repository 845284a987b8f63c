"""Leads exchanges' host names to the loopback, in every Python process that has this folder on its path.

The program stays as it is: it resolves the real names and checks a certificate, here one of the tests' own
authority. `TEST_EXCHANGE_HOSTS` is a list `host=port,host=port`, `TEST_EXCHANGE_AUTHORITY` a PEM file.
The process of the tests itself imports this file and enters names with `lead` and `forget`.
"""

import os
import socket
import ssl

PORTS: dict[str, int] = {}
"""Host names that are led to a port of the loopback now."""

_authorities: list[str] = []
_resolve = socket.getaddrinfo
_load = ssl.SSLContext.load_verify_locations


def lead(ports: dict[str, int], authority: str) -> None:
    """Lead host names to ports of the loopback, and trust an authority (the path of a PEM file)."""
    PORTS.update(ports)
    if authority not in _authorities:
        _authorities.append(authority)
    socket.getaddrinfo = _redirected
    ssl.SSLContext.load_verify_locations = _with_authorities


def forget(hosts: "list[str]") -> None:
    """Let host names mean what they mean elsewhere."""
    for host in hosts:
        PORTS.pop(host, None)
    if not PORTS:
        socket.getaddrinfo = _resolve
        ssl.SSLContext.load_verify_locations = _load


def _redirected(host, port, *arguments, **named):
    if host in PORTS:
        return _resolve("127.0.0.1", PORTS[host], *arguments, **named)
    return _resolve(host, port, *arguments, **named)


def _with_authorities(context, *arguments, **named):
    _load(context, *arguments, **named)
    for authority in _authorities:
        _load(context, cafile=authority)


_hosts = os.environ.get("TEST_EXCHANGE_HOSTS", "")
if _hosts:
    lead(
        {host: int(port) for host, _, port in (entry.partition("=") for entry in _hosts.split(","))},
        os.environ["TEST_EXCHANGE_AUTHORITY"],
    )
