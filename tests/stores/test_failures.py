"""What AWS may answer besides success: passing troubles are Retryable, the rest stays what it is."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from chalicelib.domain.engine import Engine
from chalicelib.errors import Retryable, StaleWrite
from tests.stores.examples import CONNECTION, ENGINE, TENANT, entry, order, paper_account, position, signal
from tests.stores.worlds import Stores

PLACE = (TENANT, CONNECTION)
CALLS: dict[str, Callable[[Stores], object]] = {
    "get": lambda stores: stores.engines.get(ENGINE),
    "acquire": lambda stores: stores.engines.acquire(ENGINE, "market", "me", 1.0, 55.0, None),
    "save": lambda stores: stores.engines.save(Engine(ENGINE), "market", 1, None, ()),
    "commit": lambda stores: stores.records.commit(TENANT, [order(), position()]),
    "commit one": lambda stores: stores.records.commit(TENANT, [order()]),
    "put_new": lambda stores: stores.records.put_new(TENANT, [entry(), signal()]),
    "order": lambda stores: stores.records.order(*PLACE, "x"),
    "open": lambda stores: stores.records.open_orders(*PLACE),
    "list": lambda stores: stores.records.list_orders(*PLACE, 1, None),
    "signals": lambda stores: stores.records.signals(*PLACE, ["x"]),
    "connections": lambda stores: stores.connections.list(TENANT),
    "ledger": lambda stores: stores.ledger.commit(TENANT, paper_account(), []),
    "candles": lambda stores: stores.containers[0].load_candles("binance", 300),
}


def answering(stores: Stores, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Make every call of DynamoDB and S3 end with the error."""

    def fail(*_: Any, **__: Any) -> Any:
        raise error

    for name in ("dynamodb", "s3"):
        monkeypatch.setattr(stores.clients[name], "_make_api_call", fail)


def refusal(code: str, status: int = 400, reasons: tuple[str, ...] = ()) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": "no"},
        "ResponseMetadata": {"HTTPStatusCode": status},
        "CancellationReasons": [{"Code": reason} for reason in reasons],
    }
    return ClientError(response, "Operation")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "error",
    [
        refusal("ThrottlingException"),
        refusal("ProvisionedThroughputExceededException"),
        refusal("InternalServerError", 500),
        ReadTimeoutError(endpoint_url="http://127.0.0.1"),
    ],
    ids=["throttle", "capacity", "server", "timeout"],
)
def test_passing_troubles_are_retryable(
    aws: Stores, monkeypatch: pytest.MonkeyPatch, call: str, error: Exception
) -> None:
    answering(aws, monkeypatch, error)
    with pytest.raises(Retryable) as raised:
        CALLS[call](aws)
    assert not isinstance(raised.value, StaleWrite)


@pytest.mark.parametrize("call", ["commit", "put_new"])
@pytest.mark.parametrize(
    "reasons",
    [
        ("TransactionConflict", "None"),
        ("ConditionalCheckFailed", "TransactionConflict"),
        ("ThrottlingError",),
    ],
)
def test_a_transaction_in_conflict_is_retryable(
    aws: Stores, monkeypatch: pytest.MonkeyPatch, call: str, reasons: tuple[str, ...]
) -> None:
    answering(aws, monkeypatch, refusal("TransactionCanceledException", reasons=reasons))
    with pytest.raises(Retryable, match=r"TransactionConflict|ThrottlingError") as raised:
        CALLS[call](aws)
    assert not isinstance(raised.value, StaleWrite)


@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_call_is_neither_retried_nor_hidden(
    aws: Stores, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    answering(aws, monkeypatch, refusal("AccessDeniedException"))
    with pytest.raises(Exception, match="AccessDenied") as raised:
        CALLS[call](aws)
    assert not isinstance(raised.value, Retryable)
