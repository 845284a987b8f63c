"""What AWS errors mean to us: lost conditions, and everything that is worth delivering again."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException, TransactWriteError

from chalicelib.errors import Retryable, StaleWrite

CONDITION_FAILED = "ConditionalCheckFailed"
_SERVER_ERROR = 500
_PASSING = frozenset(
    {
        "InternalError",
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "ThrottlingError",
        "ThrottlingException",
        "TransactionConflict",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn lost conditions into StaleWrite and passing AWS troubles into Retryable; the rest is a bug.

    A transaction that was cancelled by its conditions alone stays a TransactWriteError, for
    `failed_conditions`.
    """
    try:
        yield
    except TransactWriteError as error:
        reasons = {reason.code for reason in error.cancellation_reasons if reason}
        if reasons == {CONDITION_FAILED}:
            raise
        if reasons & _PASSING:
            raise Retryable(f"{what}: {', '.join(sorted(reasons))}") from error
        # Not the error itself: whoever catches it expects failed conditions.
        raise _meaning(what, error.cause) or error.cause or error from error
    except PynamoDBException as error:
        raise _meaning(what, error.cause) or error from error.cause
    except (ClientError, BotoCoreError) as error:
        meaning = _meaning(what, error)
        if meaning is None:
            raise
        raise meaning from error


def _meaning(what: str, cause: Exception | None) -> Retryable | None:
    if isinstance(cause, BotoCoreError):
        return Retryable(f"{what}: {cause}")
    if not isinstance(cause, ClientError):
        return None
    code = cause.response["Error"]["Code"]
    if code.startswith(CONDITION_FAILED):
        return StaleWrite(f"{what} was written by somebody else")
    status = cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _PASSING or status >= _SERVER_ERROR:
        return Retryable(f"{what}: {code}")
    return None


def failed_conditions(error: TransactWriteError) -> list[bool]:
    """Return per part of a transaction that its conditions cancelled whether its own one failed."""
    return [reason is not None for reason in error.cancellation_reasons]
