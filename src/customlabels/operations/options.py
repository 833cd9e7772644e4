"""Options of a training that AWS's API has no member for: its seed, its time, its start.

They are put before the version is made (the workflow, which makes it, runs on AWS too and knows nothing of
them) and kept as tags of the version's name: an ARN without a stamp.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from sqlalchemy import update

from customlabels.operations.access import require_operator
from customlabels.operations.arns import project_arn, version_arn
from customlabels.operations.dispatch import Call, writing
from customlabels.operations.rows import version_row
from customlabels.operations.tagging import drop_tags, put_tags, tags_of
from customlabels.storage import Transaction, schema

OPTIONS: Mapping[str, Callable[[str], Any]] = {
    "BudgetSeconds": float,
    "Seed": int,
    "BackboneFolder": str,
    "FromScratch": lambda text: text == str(True),
}


@writing("customlabels", "PutTrainingOptions")
def put_training_options(tx: Transaction, call: Call) -> None:
    """Say how the next version of this name shall be trained; what was said before is forgotten."""
    params = call.params
    if "BackboneFolder" in params:
        require_operator(call, "train without a BackboneFolder")
    arn = _name(call, params["ProjectName"], params["VersionName"])
    drop_tags(tx, arn)
    put_tags(tx, arn, {option: str(params[option]) for option in OPTIONS if option in params})


@writing("customlabels", "PutServingOptions")
def put_serving_options(tx: Transaction, call: Call) -> None:
    """Say what a version does when nobody asks it, from its next start on."""
    params = call.params
    arn = params["ProjectVersionArn"]
    details = orjson.loads(version_row(tx, call, arn).details)
    details["Serving"] = {name: params[name] for name in ("IdleStopSeconds", "Wake") if name in params}
    own = schema.versions.c.arn == arn
    tx.execute(update(schema.versions).where(own).values(details=orjson.dumps(details).decode()))


def take_options(tx: Transaction, call: Call, project: str, version: str) -> dict[str, Any]:
    """The options put for the version that is made now, and forget them."""
    arn = _name(call, project, version)
    options = {name: OPTIONS[name](value) for name, value in tags_of(tx, arn).items()}
    drop_tags(tx, arn)
    return options


def _name(call: Call, project: str, version: str) -> str:
    return version_arn(project_arn(call.caller, project, 0), version, 0)
