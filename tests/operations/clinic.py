"""A stage on moto for the tests of `cts doctor`: each part can be made sound, and then broken."""

import io
import json
import zipfile
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib.local.resources import create_resources
from chalicelib.operations.doctor.command import SERVICES
from chalicelib.operations.doctor.findings import Finding, Identity, Site
from chalicelib.operations.doctor.functions import AUTHORIZER, FUNCTIONS, HEARTBEAT, SOURCES, lambda_names
from chalicelib.operations.doctor.state import EXPIRING, STREAMS_DEAD_LETTERS
from chalicelib.settings import Settings
from chalicelib.stores.tables import MODELS, table_definition
from tests.operations.stages import ACCOUNT, REGION, client

SECRET = "kR7vQ2mXw9ZtB4nLc8YpH3sJd6GfA1uE5oViTqWrMxNzKbCyPaSgDhFjU0eIlO2k"
WALLS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
TRUST = json.dumps(
    {"Statement": [{"Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}]}
)
ARN = f"arn:aws:iam::{ACCOUNT}:user/me"


class Simulator:
    """Stands in for IAM's policy simulator, which moto does not have; `denied` names actions."""

    def __init__(self) -> None:
        self.denied: set[str] = set()
        self.asked: list[dict[str, Any]] = []
        self.error: Exception | None = None

    def simulate_principal_policy(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        if self.error:
            raise self.error
        decisions = {
            name: "implicitDeny" if name in self.denied else "allowed" for name in asked["ActionNames"]
        }
        return {
            "EvaluationResults": [
                {"EvalActionName": name, "EvalDecision": decision} for name, decision in decisions.items()
            ]
        }

    def get_role(self, RoleName: str) -> dict[str, Any]:  # noqa: N803
        return {"Role": {"Arn": f"arn:aws:iam::{ACCOUNT}:role/a/path/{RoleName}"}}


@dataclass
class Clinic:
    """One stage, what builds it, and what was asked of AWS."""

    stage: str = "dev"
    events: Any = "audit"
    simulator: Simulator = field(default_factory=Simulator)
    calls: Counter[str] = field(default_factory=Counter)

    @property
    def aws(self) -> dict[str, Any]:
        return {name: client(name, REGION) for name in SERVICES}

    @property
    def site(self) -> Site:
        settings = Settings(stage=self.stage, region=REGION, account=ACCOUNT, events=self.events)
        clients = {**self.aws, "iam": self.simulator}
        return Site(settings, "binance", clients, identity=Identity(ARN, ACCOUNT))

    def build(self) -> None:
        """Make everything as a deployment does."""
        create_resources(self.site.settings, self.aws)
        for name in MODELS:
            self.secure_table(name)
        self.aws["sqs"].create_queue(QueueName=f"cts-{self.stage}-{STREAMS_DEAD_LETTERS}")
        self.close_bucket()
        self.make_key()
        self.make_secret()
        self.make_functions()
        for function, queue in SOURCES.items():
            self.make_source(function, self.site.arn("sqs", f"cts-{self.stage}-{queue}"))
        self.make_source("publish_positions", self.stream_arn())
        self.make_rule()
        self.make_api()

    def make_table(self, name: str, **changes: Any) -> None:
        definition = {**table_definition(self.site.settings, name), **changes}
        self.aws["dynamodb"].create_table(**{key: value for key, value in definition.items() if value})
        self.secure_table(name)

    def secure_table(self, name: str) -> None:
        full, dynamodb = self.site.settings.table(name), self.aws["dynamodb"]
        dynamodb.update_continuous_backups(
            TableName=full, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
        if name in EXPIRING:
            dynamodb.update_time_to_live(
                TableName=full, TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRING[name]}
            )

    def stream_arn(self) -> str:
        full = self.site.settings.table("positions")
        return str(self.aws["dynamodb"].describe_table(TableName=full)["Table"]["LatestStreamArn"])

    def make_bucket(self) -> None:
        name = self.site.settings.bucket
        self.aws["s3"].create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.close_bucket()

    def close_bucket(self, **open_walls: bool) -> None:
        walls = {**dict.fromkeys(WALLS, True), **open_walls}
        self.aws["s3"].put_public_access_block(
            Bucket=self.site.settings.bucket, PublicAccessBlockConfiguration=walls
        )

    def make_key(self) -> str:
        key = str(self.aws["kms"].create_key()["KeyMetadata"]["KeyId"])
        self.aws["kms"].create_alias(AliasName=f"alias/cts-{self.stage}", TargetKeyId=key)
        self.aws["kms"].enable_key_rotation(KeyId=key)
        return key

    def make_secret(self, text: str = SECRET) -> None:
        self.aws["secretsmanager"].create_secret(Name=f"cts-{self.stage}-jwt", SecretString=text)

    def make_functions(self, *names: str, code: str = "1", short: bool = False, **variables: str) -> None:
        role = self._role()
        for name in names or FUNCTIONS:
            self.aws["lambda"].create_function(
                FunctionName=lambda_names(self.stage, name)[-1 if short else 0],
                Runtime="python3.12",
                Architectures=["arm64"],
                Role=role,
                Handler="app.app",
                Code={"ZipFile": _zip(code)},
                Environment={"Variables": {"CTS_STAGE": self.stage, "CTS_EVENTS": self.events, **variables}},
            )

    def make_source(self, function: str, arn: str, **changes: Any) -> str:
        wanted = {"FunctionResponseTypes": ["ReportBatchItemFailures"], "BatchSize": 10, **changes}
        if ":sqs:" not in arn:
            wanted["StartingPosition"] = "TRIM_HORIZON"
        answer = self.aws["lambda"].create_event_source_mapping(
            EventSourceArn=arn, FunctionName=lambda_names(self.stage, function)[0], **wanted
        )
        return str(answer["UUID"])

    def make_rule(self, expression: str = "rate(1 minute)") -> str:
        events, name = self.aws["events"], f"cts-{self.stage}-heartbeat-event"
        events.put_rule(Name=name, ScheduleExpression=expression)
        arn = self.site.arn("lambda", f"function:{lambda_names(self.stage, HEARTBEAT)[0]}")
        events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": arn}])
        return name

    def make_api(self, authorizer: str = "", open_route: bool = False) -> None:
        gateway = self.aws["apigateway"]
        api = gateway.create_rest_api(name=f"cts-trade-engine-{self.stage}")["id"]
        function = authorizer or lambda_names(self.stage, AUTHORIZER)[0]
        place = self.site.arn("lambda", f"function:{function}")
        made = gateway.create_authorizer(
            restApiId=api,
            name="authorize",
            type="TOKEN",
            identitySource="method.request.header.Authorization",
            authorizerUri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{place}/invocations",
        )
        root = gateway.get_resources(restApiId=api)["items"][0]["id"]
        route = gateway.create_resource(restApiId=api, parentId=root, pathPart="positions")["id"]
        closed = {"authorizationType": "CUSTOM", "authorizerId": made["id"]}
        for method, settings in (("GET", closed), ("OPTIONS", {"authorizationType": "NONE"})):
            gateway.put_method(restApiId=api, resourceId=route, httpMethod=method, **settings)
        if open_route:
            gateway.put_method(restApiId=api, resourceId=route, httpMethod="POST", authorizationType="NONE")

    def send(self, queue: str, **more: str) -> None:
        sqs = self.aws["sqs"]
        address = sqs.get_queue_url(QueueName=f"cts-{self.stage}-{queue}")["QueueUrl"]
        sqs.send_message(QueueUrl=address, MessageBody="x", **more)

    def _role(self) -> str:
        try:
            return str(self.aws["iam"].get_role(RoleName="functions")["Role"]["Arn"])
        except self.aws["iam"].exceptions.NoSuchEntityException:
            made = self.aws["iam"].create_role(RoleName="functions", AssumeRolePolicyDocument=TRUST)
            return str(made["Role"]["Arn"])


def _zip(text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py"), text)
    return packed.getvalue()


def only(answer: Any) -> Finding:
    """Return the one finding of a check."""
    if isinstance(answer, Finding):
        return answer
    (found,) = answer
    return found


def with_settings(site: Site, **changes: Any) -> Site:
    """Return a site whose stage is known differently."""
    return replace(site, settings=replace(site.settings, **changes))
