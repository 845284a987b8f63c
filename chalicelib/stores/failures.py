"""What AWS errors mean to us: lost conditions, and everything that is worth delivering again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from chalicelib.errors import Retryable, StaleWrite

CONDITION_FAILED = "ConditionalCheckFailed"
_RETRYABLE = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
    "InternalServerError",
    "ServiceUnavailable",
    "SlowDown",
}


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn lost conditions into StaleWrite and passing AWS troubles into Retryable; the rest is a bug."""
    try:
        yield
    except PynamoDBException as error:
        cause = error.cause
        code = error.cause_response_code or ""
        if code.startswith(CONDITION_FAILED):
            raise StaleWrite(f"{what} was written by somebody else") from error
        if code in _RETRYABLE or isinstance(cause, BotoCoreError):
            raise Retryable(f"{what}: {code or cause}") from error
        raise
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code.startswith(CONDITION_FAILED):
            raise StaleWrite(f"{what} was written by somebody else") from error
        if code in _RETRYABLE:
            raise Retryable(f"{what}: {code}") from error
        raise
    except BotoCoreError as error:
        raise Retryable(f"{what}: {error}") from error


def failed_conditions(error: Any) -> list[bool] | None:
    """Return per part of a cancelled transaction whether its condition failed; None for another cause."""
    reasons = getattr(error, "cancellation_reasons", None)
    if not reasons:
        return None
    codes = [reason.code if reason else "" for reason in reasons]
    if any(code not in ("", "None", CONDITION_FAILED) for code in codes):
        return None
    return [code == CONDITION_FAILED for code in codes]
