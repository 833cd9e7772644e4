"""Shadow, canary, promotion: a newer version beside the one in service, until a rule or a person decides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import orjson
from sqlalchemy import Row, insert, select

from customlabels.operations.comparing import OPEN, current_place, end_pair, go_live, watch, write_current
from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.ledger import SERVING, note
from customlabels.operations.parts import Parts
from customlabels.operations.refusals import in_use, not_found
from customlabels.operations.rows import version_row
from customlabels.serving import Counts, Rules
from customlabels.storage import Reading, StorageError, Transaction, schema

LISTED = 100
ON_REQUEST = "promoted on request"
MEMBERS = {  # of requests and answers, by the name of the rule
    "sample": "SampleShare",
    "answering": "AnswerShare",
    "compared": "CompareAtLeast",
    "disagreement": "MaxDisagreement",
    "failures": "MaxFailures",
    "slower": "MaxTimesSlower",
    "promote": "AutoPromote",
}
versions, shadows, disagreements = schema.versions, schema.shadows, schema.disagreements


@operation("customlabels", "StartShadow")
def start_shadow(call: Call) -> Response:
    """Put a share of the calls of the version in service to this one too."""
    arn = call.params["ProjectVersionArn"]
    given = {name: call.params[member] for name, member in MEMBERS.items() if member in call.params}

    def effect(tx: Transaction) -> Response:
        newer = _running(tx, call, arn)
        older = _in_service(tx, call.parts, newer)
        if older is None:
            raise in_use(f"no other version of its project is in service to compare {arn} with")
        return _begin(tx, call, newer, older, Rules(**given), "SHADOW")

    return _followed(call, effect)


@operation("customlabels", "PromoteVersion")
def promote_version(call: Call) -> Response:
    """Make this the version in service; the one before answers silently until the rules are content."""
    arn = call.params["ProjectVersionArn"]

    def effect(tx: Transaction) -> Response:
        newer = _running(tx, call, arn)
        row = _open(tx, newer.project_arn)
        if row is not None and row.newer_arn == arn:
            go_live(tx, row, ON_REQUEST)
            return {"ProjectVersionArn": arn, "OlderVersionArn": row.older_arn}
        older = _in_service(tx, call.parts, newer)
        if older is None:
            return {"ProjectVersionArn": arn}
        note(tx, arn, SERVING, reason=ON_REQUEST)
        return _begin(tx, call, newer, older, Rules(), "WATCHING")

    answer = _followed(call, effect)
    with call.parts.records.read() as reading:
        version = version_row(reading, call, arn)
    write_current(call.parts, version, answer.get("OlderVersionArn", ""), call.now)
    return answer


@operation("customlabels", "EndShadow")
def end_shadow(call: Call) -> Response:
    """Leave the version in service alone; nothing else changes."""
    arn = call.params["ProjectVersionArn"]

    def effect(tx: Transaction) -> Response:
        row = _open(tx, version_row(tx, call, arn).project_arn)
        if row is None or arn not in (row.newer_arn, row.older_arn):
            raise not_found(f"{arn} is part of no pair under way")
        end_pair(tx, row, "ENDED", "on request", call.now)
        return {}

    return _followed(call, effect)


@operation("customlabels", "ListShadows")
async def list_shadows(call: Call) -> Response:
    """The pairs of the account, newest first, with their figures as they are now; on the loop for those."""
    own = shadows.c.project_arn.like(f"arn:aws:rekognition:%:{call.caller.account}:%")

    def rows() -> list[Row[Any]]:
        with call.parts.records.read() as reading:
            newest = select(shadows).where(own).order_by(shadows.c.id.desc()).limit(LISTED)
            return list(reading.execute(newest).all())

    found = []
    for row in await asyncio.to_thread(rows):
        live = call.parts.units.shadow(row.live_arn) if row.status in OPEN else None
        counts = live.figures() if live else orjson.loads(row.counts)
        rules = orjson.loads(row.rules)
        found.append(
            {
                "OlderVersionArn": row.older_arn,
                "NewerVersionArn": row.newer_arn,
                "LiveVersionArn": row.live_arn,
                "Status": row.status,
                "Reason": row.reason,
                "StartTimestamp": row.started_at,
                "EndTimestamp": row.ended_at,
                "Rules": {MEMBERS[name]: value for name, value in rules.items()},
                "Asked": counts["asked"],
                "Failed": counts["failed"],
                "Compared": counts["compared"],
                "Disagreed": counts["disagreed"],
                "LeftOut": counts["left_out"],
                "OlderSeconds": counts["older_seconds"] / max(1, counts["compared"]),
                "NewerSeconds": counts["newer_seconds"] / max(1, counts["compared"]),
            }
        )
    return {"Shadows": found}


@operation("customlabels", "ListDisagreements")
def list_disagreements(call: Call) -> Response:
    """Images that two versions answered differently, newest first: what is kept of them."""
    arn = call.params["ProjectVersionArn"]
    with call.parts.records.read() as reading:
        version_row(reading, call, arn)
        query = select(disagreements).join(shadows, shadows.c.id == disagreements.c.shadow_id)
        query = query.where(shadows.c.newer_arn == arn).order_by(disagreements.c.id.desc()).limit(LISTED)
        rows = reading.execute(query).all()
    found = [
        {
            "Image": {"Bucket": row.bucket, "Name": row.key},
            "Timestamp": row.at,
            "Newer": orjson.loads(row.newer),
            "Older": orjson.loads(row.older),
        }
        for row in rows
    ]
    return {"Disagreements": found}


# ------------------------------------------------------------ rows


def _running(tx: Transaction, call: Call, arn: str) -> Row[Any]:
    row = version_row(tx, call, arn)
    if row.status != "RUNNING":
        raise in_use(f"{arn} is {row.status}; start it first")
    return row


def _open(tx: Reading, project: str) -> Row[Any] | None:
    return tx.execute(
        select(shadows).where(shadows.c.project_arn == project, shadows.c.status.in_(OPEN))
    ).first()


def _in_service(tx: Transaction, parts: Parts, newer: Row[Any]) -> Row[Any] | None:
    """The other version of the project that answers clients: by its current.json, else the newest running."""
    others = (versions.c.project_arn == newer.project_arn, versions.c.arn != newer.arn)
    query = (
        select(versions).where(*others, versions.c.status == "RUNNING").order_by(versions.c.created_at.desc())
    )
    running = tx.execute(query).all()
    try:
        named = orjson.loads(parts.objects.read(*current_place(newer))).get("ProjectVersionArn")
    except (StorageError, ValueError):
        named = None
    return next((row for row in running if row.arn == named), running[0] if running else None)


def _begin(
    tx: Transaction, call: Call, newer: Row[Any], older: Row[Any], rules: Rules, status: str
) -> Response:
    if (row := _open(tx, newer.project_arn)) is not None:
        raise in_use(f"{row.newer_arn} is compared with {row.older_arn}; end that first")
    tx.execute(
        insert(shadows),
        {
            "project_arn": newer.project_arn,
            "older_arn": older.arn,
            "newer_arn": newer.arn,
            "live_arn": newer.arn if status == "WATCHING" else older.arn,
            "status": status,
            "reason": "",
            "rules": orjson.dumps(asdict(rules)).decode(),
            "counts": orjson.dumps(asdict(Counts())).decode(),
            "started_at": call.now,
        },
    )
    return {"ProjectVersionArn": newer.arn, "OlderVersionArn": older.arn}


def _followed(call: Call, effect: Callable[[Transaction], Response]) -> Response:
    """The effect in one transaction; then the units do what the rows say."""
    answer = call.write(effect)
    with call.parts.records.read() as reading:
        project = version_row(reading, call).project_arn
        newest = select(shadows).where(shadows.c.project_arn == project).order_by(shadows.c.id.desc())
        row = reading.execute(newest.limit(1)).first()
    if row is not None:
        call.parts.run_on_loop(watch(call.parts, row))
    return answer
