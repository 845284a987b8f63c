"""Checks of `cts doctor` of the AWS account: who we are, what we may, clock, bucket, key and secret."""

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.operations.doctor.errors import code_of
from chalicelib.operations.doctor.findings import Check, Finding, Identity, Site
from chalicelib.operations.doctor.functions import AUTHORIZER, configuration
from chalicelib.operations.doctor.machine import judged_clock
from chalicelib.stores.credentials import NO_KEY
from chalicelib.triggers.api.auth_settings import secret_name
from chalicelib.triggers.api.signing_keys import LEAST_SECRET_BYTES

PRODUCTION = "prod"
_LEAST_LETTERS = 10
"""A random text of 32 bytes has more different ones, but for one chance in billions."""

_WALLS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
_CONTEXT = {"tenant": "cts-doctor", "connection": "cts-doctor"}
_PROBE = b"cts doctor"


def credentials(site: Site, learn: Callable[[Identity], object]) -> Finding:
    """Who does AWS say we are? `learn` gets the answer, which all other checks build on."""
    asked = site.now()
    answer = site.clients["sts"].get_caller_identity()
    arn, account = answer["Arn"], answer["Account"]
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    learn(Identity(arn, account, arn.split(":")[1], their_time(headers), asked, site.now()))
    if site.settings.account and site.settings.account != account:
        remedy = "use credentials of that account, or unset CTS_ACCOUNT"
        return Finding("credentials", "fail", f"{arn}; CTS_ACCOUNT is {site.settings.account}", remedy)
    if arn.endswith(":root"):
        remedy = "use a role or a user that may do less: docs/operations.md#permissions"
        return Finding("credentials", "warn", f"{arn}, who may do everything", remedy)
    return Finding("credentials", "ok", arn)


def their_time(headers: Mapping[str, str]) -> float | None:
    """Return the epoch second in the Date header of an answer."""
    text = headers.get("date")
    return parsedate_to_datetime(text).timestamp() if text else None


def clock(site: Site) -> Finding:
    """Does this machine's time agree with AWS's? The Date header of an answer tells it to the second."""
    known = site.identity
    if known.their_time is None:
        return Finding("clock against AWS", "skipped", "the answer had no Date header")
    return judged_clock("clock against AWS", known.their_time, 1.0, known.asked_at, known.answered_at)


def bucket(site: Site) -> Finding:
    """Is the bucket there, ours, and closed to the public?"""
    name, client = site.settings.bucket, site.clients["s3"]
    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        return _no_bucket(name, site.stage, code_of(error))
    try:
        walls = client.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    except ClientError as error:
        if code_of(error) != "NoSuchPublicAccessBlockConfiguration":
            raise
        walls = {}
    if missing := [wall for wall in _WALLS if not walls.get(wall)]:
        remedy = f"aws s3api put-public-access-block --bucket {name} --public-access-block-configuration "
        remedy += ",".join(f"{wall}=true" for wall in _WALLS)
        return Finding("bucket", "fail", f"{name} may become public: no {', '.join(missing)}", remedy)
    return Finding("bucket", "ok", f"{name}, closed to the public")


def _no_bucket(name: str, stage: str, code: str) -> Finding:
    if code in ("404", "NoSuchBucket"):
        return Finding("bucket", "fail", f"{name} is missing", f"make infra STAGE={stage}")
    if code == "301":
        return Finding("bucket", "fail", f"{name} is in another region", "give its region with --region")
    remedy = "allow s3:ListBucket on it to whoever runs this; or set CTS_BUCKET, if it is not yours"
    return Finding("bucket", "fail", f"{name} can't be looked at ({code})", remedy)


def key(site: Site) -> Finding:
    """Is the key of exchange credentials there, enabled, and does it decrypt what it encrypted?"""
    alias, client = site.settings.key, site.clients["kms"]
    if alias == NO_KEY:
        return Finding("key", "skipped", "CTS_KEY is none: this stage keeps no exchange credentials")
    try:
        found = client.describe_key(KeyId=alias)["KeyMetadata"]
    except ClientError as error:
        if code_of(error) != "NotFoundException":
            raise
        return _no_key(site, alias)
    if found["KeyState"] != "Enabled":
        remedy = f"aws kms enable-key --key-id {found['KeyId']}"
        if found["KeyState"] == "PendingDeletion":
            remedy = f"aws kms cancel-key-deletion --key-id {found['KeyId']} && {remedy}"
        return Finding("key", "fail", f"{alias} is {found['KeyState']}", remedy)
    sealed = client.encrypt(KeyId=alias, Plaintext=_PROBE, EncryptionContext=_CONTEXT)["CiphertextBlob"]
    opened = client.decrypt(KeyId=alias, CiphertextBlob=sealed, EncryptionContext=_CONTEXT)["Plaintext"]
    if opened != _PROBE:
        return Finding("key", "fail", f"{alias} decrypts to something else", "do not trade; ask AWS support")
    if not client.get_key_rotation_status(KeyId=found["KeyId"])["KeyRotationEnabled"]:
        remedy = f"aws kms enable-key-rotation --key-id {found['KeyId']}"
        return Finding("key", "warn", f"{alias} works, but is never rotated", remedy)
    return Finding("key", "ok", f"{alias} encrypts and decrypts under a context")


def _no_key(site: Site, alias: str) -> Finding:
    if site.stage == PRODUCTION:
        return Finding("key", "fail", f"{alias} is missing", f"make infra STAGE={site.stage}")
    return Finding("key", "skipped", f"no {alias}: this stage trades on paper and keeps no credentials")


def secret(site: Site) -> Finding:
    """Is the secret that signs tokens there and long enough? It is read, and never shown."""
    variables = _authorizer_variables(site)
    if variables.get("CTS_AUTH_ALGORITHM", "HS256") != "HS256":
        return Finding("secret", "skipped", "tokens are signed by their issuer (RS256)")
    name = variables.get("CTS_AUTH_SECRET") or secret_name(site.stage)
    try:
        text = site.clients["secretsmanager"].get_secret_value(SecretId=name).get("SecretString", "")
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return Finding("secret", "fail", f"{name} is missing", f"make infra STAGE={site.stage}")
        raise
    size, letters = len(text.encode()), len(set(text))
    if size < LEAST_SECRET_BYTES or letters < _LEAST_LETTERS:
        weak = f"{name} can be guessed: {size} bytes, {letters} different ones"
        return Finding(
            "secret", "fail", weak, f"give it {LEAST_SECRET_BYTES} random bytes: {new_secret(name)}"
        )
    return Finding("secret", "ok", f"{name}, {size} bytes")


def new_secret(name: str) -> str:
    """Return the command that gives a secret a new random value."""
    random = "aws secretsmanager get-random-password --password-length 64 --exclude-punctuation"
    return (
        f"aws secretsmanager put-secret-value --secret-id {name} "
        f'--secret-string "$({random} --query RandomPassword --output text)"'
    )


def _authorizer_variables(site: Site) -> Mapping[str, Any]:
    """Return the environment of the deployed authorizer, empty as long as there is none."""
    found = configuration(site, AUTHORIZER) or {}
    variables: Mapping[str, Any] = found.get("Environment", {}).get("Variables", {})
    return variables


CHECKS = (
    Check("clock against AWS", clock),
    Check("bucket", bucket),
    Check("key", key),
    Check("secret", secret),
)
