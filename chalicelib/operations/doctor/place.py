"""Which stage, account and region an operator's command is about; for `cts doctor`, `export` and `import`."""

import os
from dataclasses import replace

from botocore.session import Session

from chalicelib.errors import UsageError
from chalicelib.settings import Settings, from_environment


def stage_settings(session: Session, stage: str, region: str | None) -> Settings:
    """Return the settings of a stage in the given region, else the environment's, else the profile's.

    Functions have no profile, so `settings.from_environment` doesn't look there; whoever deploys does.
    """
    found = region or os.environ.get("AWS_REGION") or session.get_config_variable("region")
    if not found:
        raise UsageError("no region: add --region, or set AWS_REGION")
    return replace(from_environment(), stage=stage, region=found)
