"""Runs the real `chalice deploy` twice against moto and writes down what it made, for test_chalice_deploy.

A process of its own (`python -m tests.infra.chalice_moto PROJECT STAGE ANSWER`), because the app reads its
stage when it is imported. The command, the deployer and botocore are the real ones; only moto is patched.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

ACCOUNT = "123456789012"
REGION = "eu-central-1"
READS = ("Get", "List", "Describe")
VOLATILE = frozenset({"LastModified", "RevisionId", "ResponseMetadata", "CreateDate", "id", "authorizerId"})
"""What AWS counts up or names anew by itself: times, revisions, ids behind a stable name."""

BY_HAND: dict[str, dict[str, Any]] = {
    "sqs": {
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 5},
    },
    "dynamodb": {
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": 5,
    },
    "kinesis": {
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": 5,
    },
}
"""Settings of event sources that Chalice cannot say; put on after the first deployment, they must survive."""


def main(project: str, stage: str, answer: str) -> None:
    """Deploy `project` to `stage` twice; write calls and descriptions as JSON into the file `answer`."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "CTS_STAGE", "CTS_EVENTS", "CTS_ACCOUNT", "CTS_BUCKET"):
        os.environ.pop(name, None)
    os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")
    os.environ.update(AWS_DEFAULT_REGION=REGION, AWS_REGION=REGION)
    sys.path.insert(0, project)

    from moto import mock_aws

    patch_moto()
    with mock_aws():
        os.environ["CTS_POSITIONS_STREAM_ARN"] = create_state(stage)
        first = deploy(project, stage)
        made = describe()
        set_by_hand()
        before = describe()
        second = deploy(project, stage)
        found = {"first": first, "made": made, "before": before, "second": second, "after": describe()}
    found["app"] = sys.modules["app"].__file__
    Path(answer).write_text(json.dumps(found, default=str))


def patch_moto() -> None:
    """Teach moto what Chalice needs of API Gateway; what moto has is left alone."""
    from moto.apigateway.models import APIGatewayBackend
    from moto.apigateway.responses import APIGatewayResponse

    answered = APIGatewayResponse.import_rest_api

    def import_with_endpoint(response: Any) -> Any:
        # moto overlooks the type of the endpoint, a parameter of the import's address.
        status, headers, body = answered(response)
        api = response.backend.get_rest_api(json.loads(body)["id"])
        api.endpoint_configuration["types"] = response.querystring["endpointConfigurationTypes"]
        return status, headers, body

    imported, put = APIGatewayBackend.import_rest_api, APIGatewayBackend.put_rest_api

    def import_rest_api(backend: Any, document: dict[str, Any], fail_on_warnings: bool) -> Any:
        # moto demands the description, which is optional in a Swagger document.
        document["info"].setdefault("description", "")
        return imported(backend, document, fail_on_warnings)

    def put_rest_api(
        backend: Any,
        function_id: str,
        api_doc: dict[str, Any],
        fail_on_warnings: bool,
        mode: str = "merge",
    ) -> Any:
        # moto refuses Swagger 2.0, which AWS takes. What it reads of a document is alike in OpenAPI 3.
        relabelled = {name: part for name, part in api_doc.items() if name != "swagger"} | {
            "openapi": "3.0.1"
        }
        api = put(backend, function_id, relabelled, fail_on_warnings, mode)
        _authorize(backend, api, api_doc)
        return api

    APIGatewayResponse.import_rest_api = import_with_endpoint
    APIGatewayBackend.import_rest_api = import_rest_api
    APIGatewayBackend.put_rest_api = put_rest_api


def _authorize(backend: Any, api: Any, document: Mapping[str, Any]) -> None:
    """Make the authorizers of a document and tie its methods to them: moto overlooks both."""
    known = {authorizer.name: authorizer.id for authorizer in api.authorizers.values()}
    for name, definition in document.get("securityDefinitions", {}).items():
        settings = definition["x-amazon-apigateway-authorizer"]
        if name in known:
            api.authorizers.pop(known[name])
        known[name] = backend.create_authorizer(
            api.id,
            name,
            settings["type"].upper(),
            authorizer_uri=settings["authorizerUri"],
            identity_source=f"method.request.header.{definition['name']}",
            authorizer_result_ttl=settings.get("authorizerResultTtlInSeconds"),
        ).id
    for path, methods in document["paths"].items():
        resource = api.get_resource_for_path(path)
        for verb, operation in methods.items():
            method = resource.resource_methods[verb.upper()]
            names = [name for wanted in operation.get("security", ()) for name in wanted]
            method.authorization_type = "CUSTOM" if names else "NONE"
            method.authorizer_id = known[names[0]] if names else None


def create_state(stage: str) -> str:
    """Create tables, queues and stream of the stage; return the ARN of the positions table's stream."""
    import boto3

    from chalicelib.local.resources import create_resources
    from chalicelib.settings import Settings

    settings = Settings(stage=stage, region=REGION, account=ACCOUNT)
    clients = {name: boto3.client(name) for name in ("dynamodb", "sqs", "kinesis", "s3", "kms")}
    create_resources(settings, clients)
    table = clients["dynamodb"].describe_table(TableName=settings.table("positions"))["Table"]
    return str(table["LatestStreamArn"])


def deploy(project: str, stage: str) -> list[dict[str, Any]]:
    """Run `chalice deploy` and return its calls that change something, in order."""
    from chalice.cli import cli

    with recorded() as calls:
        cli(["--project-dir", project, "deploy", "--stage", stage], obj={}, standalone_mode=False)
    return calls


@contextmanager
def recorded() -> Iterator[list[dict[str, Any]]]:
    """Record every call of botocore that is not a mere read, without the code of functions."""
    from botocore.client import BaseClient

    calls: list[dict[str, Any]] = []
    call = BaseClient._make_api_call

    def heard(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        if not operation.startswith(READS):
            shown = {name: value for name, value in parameters.items() if name not in ("ZipFile", "Code")}
            service = client.meta.service_model.service_name
            calls.append({"call": f"{service}.{operation}", "parameters": shown})
        return call(client, operation, parameters)

    BaseClient._make_api_call = heard
    try:
        yield calls
    finally:
        BaseClient._make_api_call = call


def set_by_hand() -> None:
    """Give every event source what Chalice cannot say, as an operator would after the first deployment."""
    import boto3

    client = boto3.client("lambda")
    for mapping in _pages(client, "list_event_source_mappings", "EventSourceMappings"):
        service = mapping["EventSourceArn"].split(":")[2]
        client.update_event_source_mapping(UUID=mapping["UUID"], **BY_HAND[service])


def describe() -> dict[str, Any]:
    """Return all that a deployment makes, by stable names, as AWS describes it."""
    import boto3

    parts: dict[str, tuple[str, Callable[[Any], dict[str, Any]]]] = {
        "functions": ("lambda", _functions),
        "mappings": ("lambda", _mappings),
        "roles": ("iam", _roles),
        "rules": ("events", _rules),
        "apis": ("apigateway", _apis),
        "logs": ("logs", _logs),
    }
    return {name: _stable(look(boto3.client(service))) for name, (service, look) in parts.items()}


def _functions(client: Any) -> dict[str, Any]:
    def policy(name: str) -> list[Any]:
        try:
            return list(json.loads(client.get_policy(FunctionName=name)["Policy"])["Statement"])
        except client.exceptions.ResourceNotFoundException:
            return []

    return {
        function["FunctionName"]: {
            **client.get_function(FunctionName=function["FunctionName"])["Configuration"],
            "permissions": policy(function["FunctionName"]),
            "concurrency": client.get_function_concurrency(FunctionName=function["FunctionName"]).get(
                "ReservedConcurrentExecutions"
            ),
        }
        for function in _pages(client, "list_functions", "Functions")
    }


def _mappings(client: Any) -> dict[str, Any]:
    mappings = _pages(client, "list_event_source_mappings", "EventSourceMappings")
    return {mapping["UUID"]: mapping for mapping in mappings}


def _roles(client: Any) -> dict[str, Any]:
    def inline(role: str) -> dict[str, Any]:
        names = _pages(client, "list_role_policies", "PolicyNames", RoleName=role)
        ask = partial(client.get_role_policy, RoleName=role)
        return {name: ask(PolicyName=name)["PolicyDocument"] for name in names}

    return {
        role["RoleName"]: {
            "trust": role["AssumeRolePolicyDocument"],
            "policies": inline(role["RoleName"]),
            "attached": _pages(
                client, "list_attached_role_policies", "AttachedPolicies", RoleName=role["RoleName"]
            ),
        }
        for role in _pages(client, "list_roles", "Roles")
    }


def _rules(client: Any) -> dict[str, Any]:
    return {
        rule["Name"]: {**rule, "targets": client.list_targets_by_rule(Rule=rule["Name"])["Targets"]}
        for rule in _pages(client, "list_rules", "Rules")
    }


def _apis(client: Any) -> dict[str, Any]:
    found = {}
    for api in _pages(client, "get_rest_apis", "items"):
        authorizers = client.get_authorizers(restApiId=api["id"])["items"]
        names = {authorizer["id"]: authorizer["name"] for authorizer in authorizers}
        stages = client.get_stages(restApiId=api["id"])["item"]
        found[api["name"]] = {
            "key": api["id"],
            "endpoint": api["endpointConfiguration"]["types"],
            "authorizers": {authorizer["name"]: authorizer for authorizer in authorizers},
            "stages": [stage["stageName"] for stage in stages],
            "routes": {
                f"{verb} {resource['path']}": {
                    "authorization": method["authorizationType"],
                    "authorizer": names.get(method.get("authorizerId")),
                    "type": method["methodIntegration"]["type"],
                    "uri": method["methodIntegration"]["uri"],
                }
                for resource in _pages(client, "get_resources", "items", restApiId=api["id"])
                for verb, method in resource.get("resourceMethods", {}).items()
            },
        }
    return found


def _logs(client: Any) -> dict[str, Any]:
    groups = _pages(client, "describe_log_groups", "logGroups")
    return {group["logGroupName"]: group.get("retentionInDays") for group in groups}


def _pages(client: Any, operation: str, key: str, **parameters: Any) -> list[Any]:
    pages = client.get_paginator(operation).paginate(**parameters)
    return [item for page in pages for item in page[key]]


def _stable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _stable(part) for name, part in value.items() if name not in VOLATILE}
    return [_stable(part) for part in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main(*sys.argv[1:])
