"""The check of `cts doctor` whether we may deploy: a simulation, for nothing is tried that changes anything.

What the other checks may look at, they try: each says for itself what it was not allowed. IAM's simulator
knows policies of users and roles, not all conditions, so what it denies is a warning.
"""

from botocore.exceptions import ClientError

from chalicelib.operations.doctor.errors import code_of
from chalicelib.operations.doctor.findings import Check, Finding, Site

NAME = "permissions"
_REMEDY = "ask an administrator for the rights of docs/operations.md#permissions"


def needed(site: Site) -> dict[str, tuple[str, ...]]:
    """Return what a deployment does, by the thing that it does it to."""
    stage, account = site.stage, site.identity.account
    functions = f"function:cts-trade-engine-{stage}-heartbeat"
    roles = f"arn:{site.identity.partition}:iam::{account}:role/cts-{stage}-functions-HeartbeatRole"
    return {
        site.arn("cloudformation", f"stack/cts-{stage}-resources/*"): (
            "cloudformation:CreateChangeSet",
            "cloudformation:ExecuteChangeSet",
            "cloudformation:DescribeStacks",
        ),
        site.arn("dynamodb", f"table/{site.settings.table('engines')}"): (
            "dynamodb:CreateTable",
            "dynamodb:UpdateContinuousBackups",
            "dynamodb:DescribeTable",
        ),
        site.arn("sqs", site.settings.execute_queue): ("sqs:CreateQueue", "sqs:SetQueueAttributes"),
        f"arn:{site.identity.partition}:s3:::{site.settings.bucket}": (
            "s3:CreateBucket",
            "s3:PutBucketPolicy",
        ),
        f"arn:{site.identity.partition}:s3:::{site.settings.bucket}/packages/x.zip": ("s3:PutObject",),
        site.arn("lambda", functions): (
            "lambda:CreateFunction",
            "lambda:UpdateFunctionCode",
            "lambda:UpdateFunctionConfiguration",
            "lambda:AddPermission",
        ),
        roles: ("iam:CreateRole", "iam:PutRolePolicy", "iam:PassRole"),
        site.arn("events", "rule/cts"): ("events:PutRule", "events:PutTargets"),
        site.arn("logs", f"log-group:/aws/lambda/cts-trade-engine-{stage}-heartbeat"): (
            "logs:CreateLogGroup",
            "logs:PutRetentionPolicy",
        ),
        f"arn:{site.identity.partition}:apigateway:{site.settings.region}::/restapis": ("apigateway:POST",),
    }


def permissions(site: Site) -> Finding:
    """May we deploy, as far as the simulator of IAM can tell?"""
    client = site.clients["iam"]
    principal = _principal(site)
    if not principal:
        return Finding(NAME, "skipped", "the simulator of IAM knows users and roles only")
    denied: list[str] = []
    try:
        for resource, actions in needed(site).items():
            answer = client.simulate_principal_policy(
                PolicySourceArn=principal, ActionNames=list(actions), ResourceArns=[resource]
            )
            denied += [
                result["EvalActionName"]
                for result in answer["EvaluationResults"]
                if result["EvalDecision"] != "allowed"
            ]
    except ClientError as error:
        if code_of(error) != "AccessDenied":
            raise
        return Finding(NAME, "skipped", "can't tell whether you may deploy: no iam:SimulatePrincipalPolicy")
    if denied:
        return Finding(NAME, "warn", f"you may not deploy: {', '.join(sorted(denied))}", _REMEDY)
    return Finding(NAME, "ok", "you may deploy, says the simulator of IAM")


def _principal(site: Site) -> str:
    """Return the user, or the role behind an assumed one, that the policies hang on; empty for others."""
    kind, _, name = site.identity.arn.rpartition(":")[2].partition("/")
    if kind == "user":
        return site.identity.arn
    if kind == "assumed-role":
        # The ARN of the session lacks the path of the role.
        return str(site.clients["iam"].get_role(RoleName=name.partition("/")[0])["Role"]["Arn"])
    return ""


CHECKS = (Check(NAME, permissions),)
