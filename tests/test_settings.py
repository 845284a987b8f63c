"""Names of resources from the environment: the same in functions, templates and policies."""

import pytest

from chalicelib.errors import UsageError
from chalicelib.settings import Settings, from_environment


def test_a_deployed_stage_has_the_account_in_the_name_of_its_bucket_and_the_local_one_has_not() -> None:
    assert from_environment({}).bucket == "cts-local-objects"
    assert from_environment({"CTS_ACCOUNT": "123456789012"}).bucket == "cts-local-objects"
    deployed = from_environment({"CTS_STAGE": "dev", "CTS_ACCOUNT": "123456789012"})
    assert deployed.bucket == "cts-dev-123456789012-objects"
    assert from_environment({"CTS_STAGE": "dev", "CTS_BUCKET": "mine"}).bucket == "mine"


def test_what_has_no_name_of_its_own_comes_from_the_environment() -> None:
    plain = from_environment({"CTS_STAGE": "dev"})
    assert (plain.key, plain.positions_stream) == ("alias/cts-dev", "cts-dev-positions")
    arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/cts-dev-positions/stream/2026-11-21T00:00:00.000"
    given = from_environment({"CTS_KEY": "alias/other", "CTS_POSITIONS_STREAM_ARN": arn})
    assert (given.key, given.positions_stream) == ("alias/other", arn)


def test_addresses_of_queues_need_no_look_up_where_the_account_is_known() -> None:
    settings = Settings(stage="dev", region="eu-west-1", account="123456789012")
    queue = settings.tick_queue("decision")
    assert (
        settings.queue_url(queue) == "https://sqs.eu-west-1.amazonaws.com/123456789012/cts-dev-decision-tick"
    )
    assert Settings(stage="dev").queue_url(queue) is None


def test_an_unknown_place_for_events_is_refused() -> None:
    with pytest.raises(UsageError, match="CTS_EVENTS is 'kafka': use audit or kinesis"):
        from_environment({"CTS_EVENTS": "kafka"})
