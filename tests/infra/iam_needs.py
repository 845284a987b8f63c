"""What IAM asks for each request: actions on resources, from the recorded calls; as data, and closed.

A request that has no line here is an error: what it needs must be looked up, not guessed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.infra.recorder import Call

REGION = "eu-central-1"
ACCOUNT = "123456789012"
KEY_ALIASES: dict[str, tuple[str, ...]] = {}
"""The aliases of each KMS key by its ARN: what IAM knows of a key beyond a request."""

SECRET_ARNS: dict[str, str] = {}
"""The ARN of each secret by its name: AWS puts six characters behind the name."""

_MISSING = frozenset({"NoSuchKey", "404"})


@dataclass(frozen=True, slots=True)
class Need:
    """One question to IAM: may this action be done on this resource, in this context?"""

    action: str
    resource: str
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False)


def needs_of(call: Call) -> tuple[Need, ...]:
    """Return all that IAM checks for one request; LookupError for an operation that is not listed."""
    if call.name not in _CHECKS:
        raise LookupError(f"{call.name} is not listed here: look up what IAM checks for it")
    return tuple(_CHECKS[call.name](call))


Check = Callable[[Call], Iterator[Need]]


def _need(action: str, resource: str, **context: tuple[str, ...]) -> Need:
    owner = resource.split(":")[4] or ACCOUNT
    named = {name.replace("_", ":", 1): values for name, values in context.items()}
    accounts = {"aws:PrincipalAccount": (ACCOUNT,), "aws:ResourceAccount": (owner,)}
    return Need(action, resource, {**accounts, **named})


def table_arn(name: str) -> str:
    return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"


def _on_table(call: Call) -> Iterator[Need]:
    """One action of the same name on the table."""
    yield _need(f"dynamodb:{call.operation}", table_arn(call.parameters["TableName"]))


def _on_table_or_index(call: Call) -> Iterator[Need]:
    """A query or scan of an index is checked on the index, not on its table."""
    arn = table_arn(call.parameters["TableName"])
    index = call.parameters.get("IndexName")
    yield _need(f"dynamodb:{call.operation}", f"{arn}/index/{index}" if index else arn)


def _on_each_table(call: Call) -> Iterator[Need]:
    for name in call.parameters["RequestItems"]:
        yield _need(f"dynamodb:{call.operation}", table_arn(name))


_PARTS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}


def _on_each_part(call: Call) -> Iterator[Need]:
    """A transaction has no action of its own: each part is checked like the single operation."""
    for item in call.parameters["TransactItems"]:
        for part, content in item.items():
            yield _need(f"dynamodb:{_PARTS[part]}", table_arn(content["TableName"]))


def _bucket_arn(call: Call) -> str:
    return f"arn:aws:s3:::{call.parameters['Bucket']}"


def _read_object(call: Call) -> Iterator[Need]:
    """Without the right to list the bucket a missing object answers 403, like a forbidden one."""
    yield _need("s3:GetObject", f"{_bucket_arn(call)}/{call.parameters['Key']}")
    if call.error in _MISSING:
        yield _need("s3:ListBucket", _bucket_arn(call))


def _write_object(call: Call) -> Iterator[Need]:
    """A write on the condition of an ETag is a read as well."""
    arn = f"{_bucket_arn(call)}/{call.parameters['Key']}"
    yield _need("s3:PutObject", arn)
    if "IfMatch" in call.parameters:
        yield _need("s3:GetObject", arn)


def _delete_objects(call: Call) -> Iterator[Need]:
    for item in call.parameters["Delete"]["Objects"]:
        yield _need("s3:DeleteObject", f"{_bucket_arn(call)}/{item['Key']}")


def _on_queue(call: Call) -> Iterator[Need]:
    """One message or a batch: the same action."""
    account, queue = call.parameters["QueueUrl"].split("/")[-2:]
    yield _need(f"sqs:{call.operation.removesuffix('Batch')}", f"arn:aws:sqs:{REGION}:{account}:{queue}")


def _put_stream_records(call: Call) -> Iterator[Need]:
    stream = call.parameters["StreamName"]
    yield _need(f"kinesis:{call.operation}", f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{stream}")


def _use_key(call: Call) -> Iterator[Need]:
    """The key is the resource, whatever name the request gave it; its aliases are conditions."""
    arn = call.answer["KeyId"]
    given = call.parameters.get("KeyId", "")
    yield _need(
        f"kms:{call.operation}",
        arn,
        kms_ResourceAliases=KEY_ALIASES[arn],
        kms_RequestAlias=(given,) if given.startswith("alias/") else (),
    )


def _read_secret(call: Call) -> Iterator[Need]:
    yield _need("secretsmanager:GetSecretValue", SECRET_ARNS[call.parameters["SecretId"]])


_CHECKS: Mapping[str, Check] = {
    "dynamodb.GetItem": _on_table,
    "dynamodb.PutItem": _on_table,
    "dynamodb.UpdateItem": _on_table,
    "dynamodb.DeleteItem": _on_table,
    "dynamodb.Query": _on_table_or_index,
    "dynamodb.Scan": _on_table_or_index,
    "dynamodb.BatchGetItem": _on_each_table,
    "dynamodb.BatchWriteItem": _on_each_table,
    "dynamodb.TransactWriteItems": _on_each_part,
    "dynamodb.TransactGetItems": _on_each_part,
    "s3.GetObject": _read_object,
    "s3.PutObject": _write_object,
    "s3.DeleteObjects": _delete_objects,
    "sqs.SendMessage": _on_queue,
    "sqs.SendMessageBatch": _on_queue,
    "sqs.ReceiveMessage": _on_queue,
    "sqs.DeleteMessage": _on_queue,
    "sqs.ChangeMessageVisibilityBatch": _on_queue,
    "kinesis.PutRecords": _put_stream_records,
    "kms.Encrypt": _use_key,
    "kms.Decrypt": _use_key,
    "kms.GenerateDataKey": _use_key,
    "secretsmanager.GetSecretValue": _read_secret,
}
