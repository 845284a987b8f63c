"""What Chalice cannot say of the REST API: its limits, its TLS, its own answers; used by `infra.template`."""

from collections.abc import Mapping
from typing import Any

Properties = dict[str, Any]

THROTTLING: Properties = {"ThrottlingRateLimit": 50, "ThrottlingBurstLimit": 100}
"""Requests per second of the whole API: fifty dashboards that ask once a second; more only costs."""

SETTINGS: Properties = {
    "EndpointConfiguration": {"Type": "REGIONAL"},
    # Keeps SAM from making a second stage, named `Stage`, of the same API.
    "OpenApiVersion": "2.0",
    # TLS 1.2 or newer with forward secrecy; without this the address of the API takes TLS 1.0.
    "SecurityPolicy": "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09",
    "EndpointAccessMode": "STRICT",
    "TracingEnabled": True,
    "MethodSettings": [{"ResourcePath": "/*", "HttpMethod": "*", **THROTTLING}],
}

TOKEN = r"^[Bb][Ee][Aa][Rr][Ee][Rr] [A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$"
"""The form of a header with a token: API Gateway answers 401 to any other, and no function runs."""

ENVELOPE = (
    '{"success":false,"error":$context.error.messageString,"details":{},"code":"$context.error.responseType"}'
)
OWN_ANSWERS: Properties = {
    "UNAUTHORIZED": {
        "statusCode": 401,
        "responseParameters": {"gatewayresponse.header.WWW-Authenticate": "'Bearer'"},
    },
    "DEFAULT_4XX": {},
    "DEFAULT_5XX": {},
}
"""Answers that API Gateway gives by itself, in the envelope of all others."""


def completed(name: str, properties: Mapping[str, Any]) -> Properties:
    """Return the properties of the API under a name, with all of the above."""
    definition = properties["DefinitionBody"]
    guards = {
        guard: {**scheme, "x-amazon-apigateway-authorizer": _validated(scheme)}
        for guard, scheme in definition.get("securityDefinitions", {}).items()
    }
    answers = {
        kind: {**answer, "responseTemplates": {"application/json": ENVELOPE}}
        for kind, answer in OWN_ANSWERS.items()
    }
    body = {
        **definition,
        # On an import the title may win over the name, and metrics are found by it.
        "info": {**definition["info"], "title": name},
        "securityDefinitions": guards,
        "x-amazon-apigateway-gateway-responses": answers,
    }
    return {**properties, "Name": name, "DefinitionBody": body, **SETTINGS}


def _validated(scheme: Mapping[str, Any]) -> Properties:
    return {**scheme["x-amazon-apigateway-authorizer"], "identityValidationExpression": TOKEN}
