"""Clients of AWS for deployments, and its errors as one line with what to do about it."""

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from chalicelib.errors import CtsError, Forbidden, Rejected, Retryable, UsageError

_SIGN_IN = "set AWS_PROFILE, or run `aws configure` or `aws sso login`"
_NOBODY = (NoCredentialsError, PartialCredentialsError, ProfileNotFound, SSOError, TokenRetrievalError)
_UNREACHABLE = (EndpointConnectionError, ConnectTimeoutError)
_EXPIRED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"})
_THROTTLED = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded", "SlowDown"})


def open_session(region: str | None) -> boto3.session.Session:
    """Return a session in a region, or in the one of the environment; UsageError without any."""
    with explained():
        session = boto3.session.Session(region_name=region)
    if session.region_name is None:
        raise UsageError("no region: add --region, or set AWS_REGION")
    return session


@contextmanager
def explained() -> Iterator[None]:
    """Turn errors of AWS and its SDK into those of `chalicelib.errors`, with a remedy."""
    try:
        yield
    except ClientError as error:
        raise _of_answer(error) from error
    except _NOBODY as error:
        raise UsageError(f"no AWS credentials ({error}): {_SIGN_IN}") from error
    except NoRegionError as error:
        raise UsageError("no region: add --region, or set AWS_REGION") from error
    except _UNREACHABLE as error:
        raise Retryable(
            f"AWS can't be reached ({error}): check the network and the name of the region"
        ) from error
    except BotoCoreError as error:
        raise Rejected(f"AWS could not be asked: {error}") from error


def _of_answer(error: ClientError) -> CtsError:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if code in _EXPIRED:
        return UsageError(f"AWS does not accept these credentials ({code}): {_SIGN_IN}")
    if code in _DENIED:
        return Forbidden(f"these credentials may not do it: {error.operation_name}: {message}")
    if code in _THROTTLED:
        return Retryable(f"AWS throttles {error.operation_name}: try again in a minute")
    return Rejected(f"{error.operation_name} was refused ({code}): {message}")
