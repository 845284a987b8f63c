"""What errors of SQS and Kinesis mean: passing troubles are worth delivering again, the rest is a bug."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import Retryable

_SERVER_ERROR = 500
_PASSING = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "LimitExceededException",
        "RequestThrottled",
        "RequestThrottledException",
        "Throttling",
        "ThrottlingException",
        "KMSThrottlingException",
        "KmsThrottled",
        "OverLimit",
    }
)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn throttles, server errors and lost connections into Retryable."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _PASSING or status >= _SERVER_ERROR:
            raise Retryable(f"{what}: {code}") from error
        raise
    except BotoCoreError as error:
        raise Retryable(f"{what}: {error}") from error
