"""What errors of AWS mean to an operator, with a remedy; for `cts doctor`, `cts export` and `cts import`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as NoConnectionError

from chalicelib.errors import CtsError, Forbidden, Rejected, Retryable, UsageError

SIGN_IN = "set AWS_PROFILE, or run `aws configure` or `aws sso login`"
SET_CLOCK = "let this machine take its time from the network (timedatectl set-ntp true)"

_NOBODY = (
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
_SKEWED = ("RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture")
_SKEWED_WORDS = ("signature expired", "signature not yet current")
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException")
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403")
_THROTTLED = (
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "SlowDown",
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What was found and what helps; `kind` is the error that a command raises for it."""

    found: str
    remedy: str
    kind: type[CtsError] = Rejected

    @property
    def text(self) -> str:
        return f"{self.found}: {self.remedy}" if self.remedy else self.found


def trouble_of(error: BotoCoreError | ClientError) -> Trouble:
    """Return what an error of botocore means."""
    if isinstance(error, ClientError):
        return _of_answer(error)
    if isinstance(error, _NOBODY):
        return Trouble(f"no AWS credentials ({_short(error)})", SIGN_IN, UsageError)
    if isinstance(error, NoRegionError):
        return Trouble("no region", "add --region, or set AWS_REGION", UsageError)
    if isinstance(error, (NoConnectionError, HTTPClientError)):
        remedy = "check the network, a proxy, the name of the region and AWS_ENDPOINT_URL"
        return Trouble(f"AWS does not answer ({_short(error)})", remedy, Retryable)
    return Trouble(f"AWS could not be asked ({_short(error)})", "check the AWS settings of this machine")


def code_of(error: ClientError) -> str:
    """Return the code of an answer of AWS that is an error."""
    return str(error.response["Error"].get("Code", ""))


def _of_answer(error: ClientError) -> Trouble:
    code, message = code_of(error), _short(error.response["Error"].get("Message", ""))
    if code in _SKEWED or any(words in message.lower() for words in _SKEWED_WORDS):
        return Trouble(f"AWS refuses this machine's time ({code})", SET_CLOCK, UsageError)
    if code in _EXPIRED or code == "SignatureDoesNotMatch":
        return Trouble(f"AWS does not accept these credentials ({code})", SIGN_IN, UsageError)
    if code in _DENIED:
        remedy = f"let an administrator allow it to whoever runs this: {message}"
        return Trouble(f"not allowed: {error.operation_name}", remedy, Forbidden)
    if code in _THROTTLED:
        return Trouble(f"AWS throttles {error.operation_name}", "try again in a minute", Retryable)
    return Trouble(f"{error.operation_name} was refused ({code})", message)


def _short(text: object) -> str:
    return " ".join(str(text).split())[:200]


@contextmanager
def explained() -> Iterator[None]:
    """Turn errors of AWS into those of `chalicelib.errors`, with the remedy in their text."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        trouble = trouble_of(error)
        raise trouble.kind(trouble.text) from error
