"""What the emulator's process changes in moto 5.2.5 before it serves: the clock, and how requests are taken.

moto's own server needs 3 ms for a small DynamoDB call. Most of that goes into a new connection per call, into
listing a class's methods, and into walking the service's model for every attribute of every answer.
"""

import base64
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import moto.core.utils

from chalicelib.local.emulator_clock import EmulatorClock

ACCOUNT = "123456789012"

_Method = Callable[..., Any]

#: DynamoDB operations whose results carry the names of the wire already: they can be dumped as they are.
_PLAIN_OPERATIONS = frozenset(
    [
        *("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem"),
        *("BatchWriteItem", "TransactWriteItems", "TransactGetItems"),
    ]
)


def install(clock: EmulatorClock) -> None:
    """Change moto for this process; must run before any other part of moto is imported."""
    replace(moto.core.utils, utcnow=clock.utcnow)
    os.environ["MOTO_ACCOUNT_ID"] = ACCOUNT
    _install_dispatch()
    _install_codec()
    from chalicelib.local import emulator_queues, emulator_streams, emulator_tables

    emulator_tables.install()
    emulator_streams.install()
    emulator_queues.install()


def replace(owner: Any, **members: Any) -> None:
    """Put `members` in the place of a class's or module's own."""
    for name, member in members.items():
        setattr(owner, name, member)


def wire_default(value: object) -> object:
    """Turn what moto keeps and JSON lacks into the wire's form: bytes, times and its own attribute values."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).timestamp()
    if hasattr(value, "to_json"):
        return value.to_json()
    raise TypeError(f"no wire form of {type(value).__name__}")


def _install_dispatch() -> None:
    from moto.core import responses
    from moto.core.utils import camelcase_to_underscores, method_names_from_class
    from moto.dynamodb.responses import DynamoHandler
    from moto.dynamodbstreams.responses import DynamoDBStreamsHandler
    from moto.iam import models as iam
    from moto.kinesis.responses import KinesisResponse
    from moto.sqs.responses import SQSResponse

    replace(
        responses,
        method_names_from_class=cache(method_names_from_class),
        camelcase_to_underscores=cache(camelcase_to_underscores),
    )
    replace(iam, mark_account_as_visited=lambda **_: None)
    for handler in (DynamoHandler, DynamoDBStreamsHandler, KinesisResponse, SQSResponse):
        # Their bodies are JSON: decoding them and parsing them as a query string is wasted.
        replace(handler, use_raw_body=True)


def _install_codec() -> None:
    from moto.core.serialize import BaseJSONSerializer
    from moto.dynamodb.responses import DynamoHandler

    replace(BaseJSONSerializer, get_value=_get_value(BaseJSONSerializer.get_value))
    replace(
        DynamoHandler,
        parse_parameters=_parse_parameters(DynamoHandler.parse_parameters),
        serialized=_serialized(DynamoHandler.serialized),
    )


def _get_value(original: _Method) -> _Method:
    def get_value(self: Any, value: Any, key: str, shape: Any) -> Any:
        if type(value) is dict and not self._value_picker.response_transformers:
            return value.get(key)
        return original(self, value, key, shape)

    return get_value


def _parse_parameters(original: _Method) -> _Method:
    def parse_parameters(self: Any, request: Any) -> None:
        if b'"B"' in request.data or b'"BS"' in request.data:
            original(self, request)
        else:
            self.params = json.loads(request.data)

    return parse_parameters


def _serialized(original: _Method) -> _Method:
    def serialized(self: Any, action_result: Any) -> Any:
        result = action_result.result
        if isinstance(result, Exception) or self._get_action() not in _PLAIN_OPERATIONS:
            return original(self, action_result)
        present = {name: value for name, value in result.items() if value is not None}
        headers = {"Content-Type": "application/x-amz-json-1.0", **self.response_headers}
        return 200, headers, json.dumps(present, default=wire_default)

    return serialized
