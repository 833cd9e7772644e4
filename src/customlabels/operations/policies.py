"""Project policies: what lets other accounts copy a project's versions."""

from __future__ import annotations

import secrets
from functools import partial
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from customlabels.errors import ServiceError
from customlabels.operations.dispatch import Call, Response, operation, writing
from customlabels.operations.pages import newest_of_project
from customlabels.operations.permissions import check_policy
from customlabels.operations.refusals import exists, not_found, over_quota
from customlabels.operations.rows import project_row
from customlabels.storage import Reading, Transaction, schema

LARGEST_PAGE = 5
policies = schema.policies
wrong_revision = partial(ServiceError, "InvalidPolicyRevisionIdException")


@writing("rekognition", "PutProjectPolicy")
def put_project_policy(tx: Transaction, call: Call) -> Response:
    """A new policy, or a new document for one whose present revision the caller knows."""
    params = call.params
    arn, name, given = params["ProjectArn"], params["PolicyName"], params.get("PolicyRevisionId")
    check_policy(params["PolicyDocument"])
    project_row(tx, call, arn)
    existing = _policy(tx, arn, name)
    change = {
        "document": params["PolicyDocument"],
        "revision_id": secrets.token_hex(16),
        "updated_at": call.now,
    }
    if existing is None:
        if given:
            raise wrong_revision(f"{arn} has no policy {name}, so {given} is no revision of it")
        count = tx.execute(select(func.count()).where(policies.c.project_arn == arn)).scalar_one()
        if count >= call.parts.limits.policies:
            raise over_quota(f"{arn} has {count} policies, the most of one project; delete one first")
        tx.execute(insert(policies), change | {"project_arn": arn, "name": name, "created_at": call.now})
    else:
        if not given:
            raise exists(f"{arn} has a policy {name}; to change it, send its PolicyRevisionId")
        _require_revision(existing, given)
        own = policies.c.project_arn == arn, policies.c.name == name
        tx.execute(update(policies).where(*own).values(change))
    return {"PolicyRevisionId": change["revision_id"]}


@operation("rekognition", "ListProjectPolicies")
def list_project_policies(call: Call) -> Response:
    """The policies of a project, newest first."""
    query = select(policies).filter_by(project_arn=call.params["ProjectArn"])
    order = policies.c.created_at, policies.c.name
    return newest_of_project(call, "ProjectPolicies", query, order, _described, LARGEST_PAGE)


@writing("rekognition", "DeleteProjectPolicy")
def delete_project_policy(tx: Transaction, call: Call) -> None:
    """Take a policy away; with a revision id only where it is the present one."""
    arn, name = call.params["ProjectArn"], call.params["PolicyName"]
    given = call.params.get("PolicyRevisionId")
    project_row(tx, call, arn)
    existing = _policy(tx, arn, name)
    if existing is None:
        raise not_found(f"{arn} has no policy {name}")
    if given:
        _require_revision(existing, given)
    tx.execute(delete(policies).where(policies.c.project_arn == arn, policies.c.name == name))


def documents_of(reading: Reading, project: str) -> list[str]:
    """The documents of all policies of a project."""
    return list(reading.execute(select(policies.c.document).filter_by(project_arn=project)).scalars())


def drop_policies(tx: Transaction, project: str) -> None:
    """Forget the policies of a project that goes."""
    tx.execute(delete(policies).where(policies.c.project_arn == project))


def _policy(reading: Reading, project: str, name: str) -> Row[Any] | None:
    return reading.execute(select(policies).filter_by(project_arn=project, name=name)).first()


def _require_revision(existing: Row[Any], given: str) -> None:
    if given != existing.revision_id:
        told = f"policy {existing.name} has another revision than {given}; list the policies to see which"
        raise wrong_revision(told)


def _described(row: Row[Any]) -> Response:
    return {
        "ProjectArn": row.project_arn,
        "PolicyName": row.name,
        "PolicyRevisionId": row.revision_id,
        "PolicyDocument": row.document,
        "CreationTimestamp": row.created_at,
        "LastUpdatedTimestamp": row.updated_at,
    }
