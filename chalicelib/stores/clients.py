"""The botocore clients of one container: one session for all, each client made at its first use."""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.config import Config
from botocore.loaders import Loader
from botocore.session import get_session

from chalicelib.settings import Settings

CONFIG = Config(
    parameter_validation=False,
    connect_timeout=5,
    read_timeout=15,
    max_pool_connections=20,
    retries={"total_max_attempts": 4, "mode": "standard"},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    s3={"us_east_1_regional_endpoint": "regional"},
)
"""For the clients of all services. Transactions carry a token, so that a retried one is applied once."""

_SERVICES = ("dynamodb", "kinesis", "kms", "s3", "secretsmanager", "sqs")
_VARIANTS = {
    ("fips",): ("{service}-fips.{region}.{dnsSuffix}", "dnsSuffix"),
    ("dualstack",): ("{service}.{region}.{dnsSuffix}", "dualStackDnsSuffix"),
    ("dualstack", "fips"): ("{service}-fips.{region}.{dnsSuffix}", "dualStackDnsSuffix"),
}
"""Host names of a partition by their tags, each with the partition's output that is its suffix."""


class _ServicesInUse(Loader):  # type: ignore[misc]
    """Reads of botocore's data only what these services need: half of the cold start of a client.

    Their own rule sets know their addresses, so the table of all services' addresses (1.2 MB) is left out, as
    is the look into the folders of all four hundred services.
    """

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002
        return list(_SERVICES)

    def load_data_with_path(self, name: str) -> tuple[Any, str]:
        if name != "endpoints":
            found: tuple[Any, str] = super().load_data_with_path(name)
            return found
        partitions, path = self.load_data_with_path("partitions")
        return {"version": 3, "partitions": [_addresses(one) for one in partitions["partitions"]]}, path


def _addresses(partition: Mapping[str, Any]) -> dict[str, Any]:
    """Return a partition in the form of botocore's table of addresses, with the names that services share."""
    outputs = partition["outputs"]
    return {
        "partition": partition["id"],
        "dnsSuffix": outputs["dnsSuffix"],
        "regionRegex": partition["regionRegex"],
        "regions": partition["regions"],
        "services": {},
        "defaults": {
            "hostname": "{service}.{region}.{dnsSuffix}",
            "protocols": ["https"],
            "signatureVersions": ["v4"],
            "variants": [
                {"tags": list(tags), "hostname": hostname, "dnsSuffix": outputs[suffix]}
                for tags, (hostname, suffix) in _VARIANTS.items()
            ],
        },
    }


class Clients:
    """Clients by the names of their services (`clients["s3"]`)."""

    def __init__(self, settings: Settings, on_call: Callable[[str], None] | None = None) -> None:
        """`on_call` hears each operation once (`dynamodb.UpdateItem`), retries not counted."""
        self._settings = settings
        self._on_call = on_call
        self._session = get_session()
        self._session.register_component("data_loader", _ServicesInUse())
        self._made: dict[str, Any] = {}

    def __getitem__(self, service: str) -> Any:
        if service not in self._made:
            self._made[service] = self._make(service)
        return self._made[service]

    def _make(self, service: str) -> Any:
        endpoint = self._settings.endpoint_url or None
        client = self._session.create_client(
            service, self._settings.region, endpoint_url=endpoint, config=CONFIG
        )
        if self._on_call is not None:
            client.meta.events.register(f"before-call.{service}", _hearing(service, self._on_call))
        return client


def _hearing(service: str, on_call: Callable[[str], None]) -> Callable[..., None]:
    def heard(model: Any, **_: Any) -> None:
        on_call(f"{service}.{model.name}")

    return heard
