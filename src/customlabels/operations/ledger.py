"""The ledger: which version served when, by whose doing, on which evidence.

Layer: operations. An entry is written in the transaction that changes the service, so a power cut leaves both
or neither. Each holds the digest of the one before it: what is changed or taken out later breaks the chain.
Who could rewrite the whole file could rewrite the chain; a digest kept elsewhere shows that, too.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from sqlalchemy import Row, insert, select, text

from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.pages import REKOGNITION, one_page
from customlabels.storage import Reading, Transaction, schema

SERVING, ENDED = "SERVING", "ENDED"
FIRST = "0" * 64  # the digest before the first entry
HASHED = ("number", "at", "project_arn", "version_arn", "action", "run", "reason", "evidence", "previous")
ledger, versions = schema.ledger, schema.versions


def note(tx: Transaction, arn: str, action: str, run: str = "", reason: str = "") -> None:
    """Add an entry. action: SERVING or ENDED     run: the execution that asked for it, if one did"""
    if tx.dialect == "postgresql":
        tx.execute(text("SELECT pg_advisory_xact_lock(4578)"))  # one after the other, or two would be next
    last = tx.execute(select(ledger).order_by(ledger.c.number.desc()).limit(1)).first()
    version = tx.execute(select(versions).where(versions.c.arn == arn)).one()
    entry = {
        "number": last.number + 1 if last else 1,
        "at": time.time(),
        "project_arn": version.project_arn,
        "version_arn": arn,
        "action": action,
        "run": run,
        "reason": reason,
        "evidence": orjson.dumps(_evidence(version)).decode(),
        "previous": last.digest if last else FIRST,
    }
    tx.execute(insert(ledger), entry | {"digest": _digest([entry[name] for name in HASHED])})


@operation("customlabels", "ListServiceHistory")
def list_service_history(call: Call) -> Response:
    """Entries of a project's versions, newest first; who served at a moment; whether the chain holds."""
    prefix = f"arn:aws:rekognition:{call.caller.region}:{call.caller.account}:project/"
    own = ledger.c.project_arn.startswith(f"{prefix}{call.params['ProjectName']}/", autoescape=True)
    at = call.params.get("At")
    query = select(ledger).where(own, *([] if at is None else [ledger.c.at <= at]))

    def look(size: int, after: int | None) -> Sequence[Row[Any]]:
        older = [] if after is None else [ledger.c.number < after]
        with call.parts.records.read() as reading:
            newest = query.where(*older).order_by(ledger.c.number.desc()).limit(size)
            return reading.execute(newest).all()

    with call.parts.records.read() as reading:
        told = reading.execute(query.order_by(ledger.c.number)).all()
        broken = next(_breaks(reading), "")
        known = set(reading.execute(select(versions.c.arn)).scalars())
    serving: dict[str, None] = {}
    last_served: dict[str, None] = {}  # by their last beginning
    for row in told:
        serving.pop(row.version_arn, None)
        if row.action == SERVING:
            serving[row.version_arn] = None
            last_served.pop(row.version_arn, None)
            last_served[row.version_arn] = None
    before = [arn for arn in list(last_served)[:-1] if arn in known]
    answer = one_page(call, REKOGNITION, "Entries", look, _described, lambda row: row.number)
    return answer | {
        "Serving": list(serving),
        "Intact": not broken,
        **({"Problem": broken} if broken else {}),
        **({"Before": before[-1]} if before else {}),
    }


def _breaks(reading: Reading) -> Iterator[str]:
    """What is wrong with the chain, in sentences."""
    previous = FIRST
    for number, row in enumerate(reading.execute(select(ledger).order_by(ledger.c.number)), start=1):
        if row.number != number:
            yield f"entry {number} is missing"
            return
        if row.previous != previous:
            yield f"entry {number} does not follow from the one before it"
        if row.digest != _digest([getattr(row, name) for name in HASHED]):
            yield f"entry {number} was changed after it was written"
        previous = row.digest


def _digest(values: list[Any]) -> str:
    return hashlib.sha256(orjson.dumps(values)).hexdigest()


def _evidence(version: Row[Any]) -> dict[str, Any]:
    """What the version's figures are, and the digest of the evaluation that they are from."""
    told = orjson.loads(version.details).get("Results", {}).get("EvaluationResult", {})
    place = told.get("Summary", {}).get("S3Object", {})
    return {
        "F1Score": version.f1_score,
        "Summary": f"s3://{place['Bucket']}/{place['Name']}" if place else None,
        "SummarySha256": hashlib.sha256((version.evaluation or "").encode()).hexdigest(),
    }


def _described(row: Row[Any]) -> Response:
    evidence = orjson.loads(row.evidence)
    answer = {
        "Number": row.number,
        "Timestamp": row.at,
        "ProjectVersionArn": row.version_arn,
        "Action": row.action,
        "ExecutionArn": row.run or None,
        "Reason": row.reason or None,
        "F1Score": evidence["F1Score"],
        "Summary": evidence["Summary"],
        "SummarySha256": evidence["SummarySha256"],
        "Digest": row.digest,
    }
    return {name: value for name, value in answer.items() if value is not None}
