"""The three meanings an exception may have: deliver again, tell the caller, or stop the engine.

Everything else that can go wrong in a decision (a refused signal, a skipped tick) is a value.
"""


class CtsError(Exception):
    """Base of all errors raised on purpose; `code` is stable, the message says what to do."""

    code = "ERROR"
    http_status = 500


class Retryable(CtsError):
    """The same event must be delivered again: a lost race, a throttle, a reply that is not there yet."""

    code = "RETRY"
    http_status = 503


class StaleWrite(Retryable):
    """A conditional write found that somebody else had written since the item was read."""

    code = "STALE_WRITE"


class NewerSchema(Retryable):
    """An item must not be read by this program: a newer one wrote it, and said so."""

    code = "NEWER_SCHEMA"


class LeaseHeld(Retryable):
    """Another invocation is doing this work right now."""

    code = "LEASE_HELD"


class Rejected(CtsError):
    """The request is wrong and stays wrong: acknowledge it and tell the sender."""

    code = "BAD_REQUEST"
    http_status = 400


class Forbidden(Rejected):
    """The caller may not do this."""

    code = "FORBIDDEN"
    http_status = 403


class NotFound(Rejected):
    """The named thing does not exist."""

    code = "NOT_FOUND"
    http_status = 404


class Conflict(Rejected):
    """The request contradicts the present state."""

    code = "CONFLICT"
    http_status = 409


class KillSwitchOn(Conflict):
    """A kill switch is on: nothing may be entered until somebody releases it."""

    code = "KILL_SWITCH"


class AlreadyExists(Conflict):
    """A record with this key is stored already."""

    code = "ALREADY_EXISTS"


class UsageError(Rejected):
    """A command line, file or setting is wrong; the message is one line that names the remedy."""

    code = "USAGE"


class Halt(CtsError):
    """Going on would risk money: acknowledge, stop the engine, raise an alarm."""

    code = "HALT"


class VenueError(CtsError):
    """Base of what an exchange call may raise; translated from the wire in one place per connector."""

    code = "VENUE"


class VenueUnknown(VenueError):
    """Nobody knows whether the exchange executed the call: look it up before anything else."""

    code = "VENUE_UNKNOWN"


class VenueNotSent(VenueError):
    """Provably not executed: may be sent again later.

    `reason` is a stable word: RATE_LIMIT, BREAKER_OPEN, CLOCK_SKEW, MAINTENANCE, NOT_CONNECTED, BUSY. Before
    the epoch second `until` it is of no use to try again, where that is known.
    """

    code = "VENUE_NOT_SENT"

    def __init__(self, message: str, reason: str = "NOT_CONNECTED", until: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.until = until


class VenueRejected(VenueError):
    """The exchange proved that it did not accept the order.

    `reason` is a stable word: INSUFFICIENT_FUNDS, BAD_SYMBOL, INVALID_ORDER (price, size or notional: the
    trading rules may have changed), REDUCE_ONLY, NOT_SUPPORTED, REJECTED.
    """

    code = "VENUE_REJECTED"

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class VenueUnauthorized(VenueRejected):
    """The exchange does not take the key (revoked, wrong, not permitted): the connection must pause."""

    code = "VENUE_UNAUTHORIZED"

    def __init__(self, message: str) -> None:
        super().__init__(message, "UNAUTHORIZED")


class DuplicateClientOrderId(VenueError):
    """The exchange knows this client order id: an earlier attempt was accepted."""

    code = "DUPLICATE_CLIENT_ORDER_ID"


class OrderNotFound(VenueError):
    """The exchange does not know this order: every way to look it up answered, and none found it."""

    code = "ORDER_NOT_FOUND"
