"""Events of API Gateway in their real shapes, and tokens, for the runtime check.

The other kinds are those that a local run delivers (`chalicelib.local.event_shapes`).
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from chalicelib.local.event_shapes import ACCOUNT

_API = "a1b2c3d4e5"


def token(secret: str, name: str, tenant: str) -> str:
    """Return a JWT as another program would sign it (RFC 7519, HS256), valid for a quarter of an hour."""
    now = int(time.time())
    claims = {
        "iss": name,
        "aud": name,
        "sub": "runtime-check",
        "tenant": tenant,
        "roles": ["admin"],
        "iat": now,
        "exp": now + 900,
    }
    header: dict[str, Any] = {"alg": "HS256", "typ": "JWT"}
    signed = ".".join(_text(json.dumps(part).encode()) for part in (header, claims))
    signature = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{_text(signature)}"


def authorizer_event(bearer: str, region: str) -> dict[str, Any]:
    """Return what a token authorizer gets."""
    return {
        "type": "TOKEN",
        "authorizationToken": f"Bearer {bearer}",
        "methodArn": f"arn:aws:execute-api:{region}:{ACCOUNT}:{_API}/api/GET/trade-engine/status",
    }


def rest_event(
    method: str,
    resource: str,
    parameters: Mapping[str, str] | None = None,
    body: Any = None,
    authorizer: Mapping[str, Any] | None = None,
    query: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return what the proxy integration of a REST API sends; `resource` has its parameters in braces."""
    path = resource.format(**(parameters or {}))
    headers = {"Accept": "application/json", "Content-Type": "application/json", "Host": f"{_API}.example"}
    return {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": dict(query) if query else None,
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()}
        if query
        else None,
        "pathParameters": dict(parameters) if parameters else None,
        "stageVariables": None,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": _API,
            "authorizer": dict(authorizer) if authorizer else None,
            "httpMethod": method,
            "identity": {"sourceIp": "192.0.2.7", "userAgent": "runtime-check"},
            "path": f"/api{path}",
            "protocol": "HTTP/1.1",
            "requestId": "7b1a6f0e-0000-4000-8000-000000000000",
            "resourcePath": resource,
            "stage": "api",
        },
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
