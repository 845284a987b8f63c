"""Clients of the local system's own, for set-up and polls: what handlers call is counted, these are not."""

from collections.abc import Mapping
from typing import Any

from botocore.config import Config
from botocore.session import Session

from chalicelib.local.emulator import CLIENT_CONFIG

SERVICES = ("dynamodb", "dynamodbstreams", "kinesis", "s3", "sqs")


def own_clients(endpoint_url: str, region: str) -> Mapping[str, Any]:
    """Return one client per service of the emulator."""
    session = Session()
    session.set_credentials("local", "local")
    config = Config(**CLIENT_CONFIG)
    return {
        name: session.create_client(name, region_name=region, endpoint_url=endpoint_url, config=config)
        for name in SERVICES
    }
