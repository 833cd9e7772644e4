"""Projects: made, listed, deleted."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import Row, delete, func, insert, select

from customlabels.operations.arns import project_arn
from customlabels.operations.dispatch import Call, Response, operation, writing
from customlabels.operations.pages import REKOGNITION, newest, one_page
from customlabels.operations.policies import drop_policies
from customlabels.operations.refusals import in_use, invalid_parameter, over_limit
from customlabels.operations.rows import project_row
from customlabels.operations.tagging import drop_tags, put_tags
from customlabels.storage import Reading, Transaction, schema

FEATURE = "CUSTOM_LABELS"
projects, datasets, versions = schema.projects, schema.datasets, schema.versions


@writing("rekognition", "CreateProject")
def create_project(tx: Transaction, call: Call) -> Response:
    """A new project; its name is unique in account and region."""
    params = call.params
    if params.get("Feature", FEATURE) != FEATURE:
        raise invalid_parameter(f"Feature {params['Feature']}: only {FEATURE} projects are offered")
    if params.get("AutoUpdate") == "ENABLED":
        raise invalid_parameter(f"AutoUpdate is not for projects with Feature {FEATURE}")
    owner = {"account": call.caller.account, "region": call.caller.region}
    own = select(projects.c.name).filter_by(**owner)
    if tx.execute(own.where(projects.c.name == params["ProjectName"])).first():
        raise in_use(f"a project {params['ProjectName']} exists already")
    count = tx.execute(select(func.count()).select_from(own.subquery())).scalar_one()
    if count >= call.parts.limits.projects:
        raise over_limit(f"there are {count} projects; delete one first")
    stamp = call.stamp()
    arn = project_arn(call.caller, params["ProjectName"], stamp)
    row = owner | {
        "arn": arn,
        "name": params["ProjectName"],
        "status": "CREATED",
        "created_at": stamp / 1000,
    }
    tx.execute(insert(projects), row)
    put_tags(tx, arn, params.get("Tags", {}))
    return {"ProjectArn": arn}


@operation("rekognition", "DescribeProjects")
def describe_projects(call: Call) -> Response:
    """Projects with their datasets, newest first; names that do not exist are left out."""
    params = call.params
    is_ours = FEATURE in params.get("Features", [FEATURE])
    query = select(projects).filter_by(account=call.caller.account, region=call.caller.region)
    if "ProjectNames" in params:
        query = query.where(projects.c.name.in_(params["ProjectNames"]))

    def look(size: int, after: Any) -> list[tuple[Row[Any], list[Response]]]:
        with call.parts.records.read() as reading:
            order = projects.c.created_at, projects.c.arn
            found = newest(reading, query, order, after, size) if is_ours else []
            within = _datasets_of(reading, [row.arn for row in found]) if found else {}
        return [(row, within[row.arn]) for row in found]

    return one_page(
        call,
        REKOGNITION,
        "ProjectDescriptions",
        look,
        lambda found: _described(*found),
        lambda found: [found[0].created_at, found[0].arn],
    )


@writing("rekognition", "DeleteProject")
def delete_project(tx: Transaction, call: Call) -> Response:
    """Delete a project that has neither versions nor datasets; it is gone when this returns."""
    arn = call.params["ProjectArn"]
    project_row(tx, call, arn)
    for what, table in (("versions", versions), ("datasets", datasets)):
        count = tx.execute(select(func.count()).where(table.c.project_arn == arn)).scalar_one()
        if count:
            raise in_use(f"{arn} has {count} {what}; delete them first")
    drop_tags(tx, arn)
    drop_policies(tx, arn)
    tx.execute(delete(projects).where(projects.c.arn == arn))
    return {"Status": "DELETING"}


def described_dataset(row: Row[Any]) -> Response:
    """What every description of a dataset tells: its state and that of its last operation."""
    return {
        "CreationTimestamp": row.created_at,
        "Status": row.status,
        "StatusMessage": row.status_message,
        "StatusMessageCode": row.status_message_code,
    }


def _datasets_of(reading: Reading, arns: list[str]) -> dict[str, list[Response]]:
    """The datasets of each project, TEST before TRAIN."""
    found: dict[str, list[Response]] = defaultdict(list)
    query = select(datasets).where(datasets.c.project_arn.in_(arns)).order_by(datasets.c.type)
    for row in reading.execute(query):
        metadata = described_dataset(row) | {"DatasetType": row.type, "DatasetArn": row.arn}
        found[row.project_arn].append(metadata)
    return found


def _described(row: Row[Any], within: list[Response]) -> Response:
    return {
        "ProjectArn": row.arn,
        "CreationTimestamp": row.created_at,
        "Status": row.status,
        "Datasets": within,
        "Feature": FEATURE,
    }
