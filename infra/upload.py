"""Puts packages into the bucket of a stage under names made of their content; used by `infra.stack`."""

import hashlib
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.archive import digest

PREFIX = "packages"


def upload_file(client: Any, bucket: str, path: Path) -> str:
    """Store a file unless it is there, and return its key; `client` is an S3 client."""
    key = f"{PREFIX}/{digest(path)}{path.suffix}"
    if not _is_there(client, bucket, key):
        client.upload_file(str(path), bucket, key)
    return key


def upload_bytes(client: Any, bucket: str, content: bytes, suffix: str) -> str:
    """Store bytes unless they are there, and return their key."""
    key = f"{PREFIX}/{hashlib.sha256(content).hexdigest()}.{suffix}"
    if not _is_there(client, bucket, key):
        client.put_object(Bucket=bucket, Key=key, Body=content)
    return key


def _is_there(client: Any, bucket: str, key: str) -> bool:
    try:
        client.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
            return False
        raise
    return True
