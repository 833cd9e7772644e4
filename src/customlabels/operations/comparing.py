"""A pair of versions under way: from the loop, where calls are compared, into the records and back.

What a power cut leaves: the row says which of the two is live. It is changed before `current.json` is, so the
next server (`resume_shadows`) writes the file again. Counts since the last kept difference are lost.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Row, delete, insert, select, update

from customlabels.inference import Found
from customlabels.operations.arns import Arn
from customlabels.operations.detection import described
from customlabels.operations.hosting import ask_units
from customlabels.operations.ledger import SERVING, note
from customlabels.operations.parts import Parts
from customlabels.operations.refusals import invalid_parameter
from customlabels.pipeline import current_key
from customlabels.serving import PROMOTE, Counts, Pair, Rules, Shadow
from customlabels.storage import Transaction, schema

log = logging.getLogger(__name__)

KEPT = 100  # differences of one pair; older ones go, with their images
# One thread: in the order in which they came, and an image that goes is never the one that just came again.
IN_TURN = ThreadPoolExecutor(1, "comparing")
OPEN = ("SHADOW", "WATCHING")
versions, shadows, disagreements = schema.versions, schema.shadows, schema.disagreements


def resume_shadows(parts: Parts) -> None:
    """Take up the pairs that were under way when the last server ended, once their versions run."""
    with parts.records.read() as reading:
        rows = reading.execute(select(shadows).where(shadows.c.status.in_(OPEN))).all()
        lives = {
            row.id: reading.execute(select(versions).where(versions.c.arn == row.live_arn)).first()
            for row in rows
        }
    for row in rows:
        live = lives[row.id]
        if live is not None and row.status == "WATCHING":
            write_current(parts, live, row.older_arn, parts.clock())
        parts.run_on_loop(watch(parts, row))


def go_live(tx: Transaction, row: Row[Any], reason: str) -> None:
    """The newer version is the one that clients are to ask."""
    fresh = orjson.dumps(asdict(Counts())).decode()
    change = {"status": "WATCHING", "live_arn": row.newer_arn, "reason": reason, "counts": fresh}
    tx.execute(update(shadows).where(shadows.c.id == row.id).values(change))
    note(tx, row.newer_arn, SERVING, reason=reason)


def end_pair(tx: Transaction, row: Row[Any], status: str, reason: str, now: float) -> None:
    """Nothing is compared any more."""
    change = {"status": status, "reason": reason, "ended_at": now}
    tx.execute(update(shadows).where(shadows.c.id == row.id).values(change))


def _aside(work: Callable[..., None], *arguments: Any) -> None:
    """Do what waits for the disk in a thread; nobody waits for it: the log tells of failures."""

    def attempt() -> None:
        try:
            work(*arguments)
        except Exception:
            log.exception("a comparison of versions could not be recorded")

    asyncio.get_running_loop().run_in_executor(IN_TURN, attempt)


@dataclass(frozen=True)
class _Keeping:
    """One pair's way back from the loop into the records."""

    parts: Parts
    row: Row[Any]
    shadow: Callable[[], Shadow]

    def differed(self, image: bytes, newer: list[Found], older: list[Found]) -> None:
        """Note a difference; on the loop."""
        _aside(self._keep, image, newer, older)

    def judged(self, what: str, why: str) -> None:
        """Do what the rules say; on the loop."""
        _aside(self._decide, what, why)

    def _keep(self, image: bytes, newer: list[Found], older: list[Found]) -> None:
        """The image as an object, then its row; what is too old goes in the same transaction."""
        with self.parts.records.read() as reading:
            version = reading.execute(select(versions).where(versions.c.arn == self.row.newer_arn)).one()
        bucket, prefix = output_place(version)
        kind = "png" if image.startswith(b"\x89PNG") else "jpg"
        key = f"{prefix}/disagreements/{hashlib.sha256(image).hexdigest()[:20]}.{kind}"
        self.parts.objects.write(bucket, key, image)
        row = {
            "shadow_id": self.row.id,
            "at": self.parts.clock(),
            "bucket": bucket,
            "key": key,
            "newer": orjson.dumps([described(found) for found in newer]).decode(),
            "older": orjson.dumps([described(found) for found in older]).decode(),
        }
        own = disagreements.c.shadow_id == self.row.id
        with self.parts.records.write() as tx:
            tx.execute(delete(disagreements).where(own, disagreements.c.key == key))
            tx.execute(insert(disagreements), row)
            old = select(disagreements.c.id, disagreements.c.key).where(own)
            gone = tx.execute(old.order_by(disagreements.c.id.desc()).offset(KEPT).limit(KEPT)).all()
            tx.execute(delete(disagreements).where(disagreements.c.id.in_([each.id for each in gone])))
            self._save_counts(tx)
        for each in gone:
            self.parts.objects.delete(bucket, each.key)

    def _save_counts(self, tx: Transaction) -> None:
        counts = orjson.dumps(self.shadow().figures()).decode()
        own = (shadows.c.id == self.row.id, shadows.c.live_arn == self.row.live_arn)
        tx.execute(update(shadows).where(*own).values(counts=counts))

    def _decide(self, what: str, why: str) -> None:
        parts, now = self.parts, self.parts.clock()
        with parts.records.write() as tx:
            row = tx.execute(select(shadows).where(shadows.c.id == self.row.id)).one()
            if row.status not in OPEN or row.live_arn != self.row.live_arn:  # somebody was faster
                return
            self._save_counts(tx)
            watching = row.status == "WATCHING"
            if what == PROMOTE and not watching:
                go_live(tx, row, why)
            else:
                end_pair(tx, row, "PROMOTED" if what == PROMOTE else "ROLLED_BACK", why, now)
            loser = row.older_arn if what == PROMOTE else row.newer_arn
            if watching:
                if what != PROMOTE:
                    note(tx, row.older_arn, SERVING, reason=why)
                running = (versions.c.arn == loser, versions.c.status == "RUNNING")
                if tx.execute(select(versions.c.arn).where(*running)).first():
                    ask_units(tx, parts.jobs, "stop", loser)
            kept = row.older_arn if loser == row.newer_arn else row.newer_arn
            version = tx.execute(select(versions).where(versions.c.arn == kept)).first()
            row = tx.execute(select(shadows).where(shadows.c.id == row.id)).one()
        if version is not None and (what == PROMOTE or watching):
            write_current(parts, version, loser, now)
        parts.run_on_loop(watch(parts, row))


async def watch(parts: Parts, row: Row[Any]) -> None:
    """Let the units follow a pair as its row says; on the loop."""
    for arn in (row.older_arn, row.newer_arn):
        parts.units.unwatch(arn)
    if row.status not in OPEN:
        return
    pair = Pair(row.older_arn, row.newer_arn, row.live_arn)
    keeping = _Keeping(parts, row, lambda: shadow)
    rules, counts = Rules(**orjson.loads(row.rules)), Counts(**orjson.loads(row.counts))
    shadow = Shadow(pair, rules, keeping.differed, keeping.judged, counts)
    parts.units.watch(shadow)


def output_place(version: Row[Any]) -> tuple[str, str]:
    """Bucket and prefix of a version's documents."""
    told = orjson.loads(version.details).get("OutputConfig", {})
    if "S3Bucket" not in told:
        raise invalid_parameter(f"{version.arn} has no output bucket")
    return told["S3Bucket"], told.get("S3KeyPrefix", "").rstrip("/")


def current_place(version: Row[Any]) -> tuple[str, str]:
    """Bucket and key of the `current.json` of a version's project, as the workflow writes it."""
    project = Arn.parse(version.arn).project
    bucket, prefix = output_place(version)
    return bucket, current_key(prefix.removesuffix(f"/{project}/{version.name}"), project)


def write_current(parts: Parts, version: Row[Any], replaces: str, now: float) -> None:
    """Name a version as the one in service."""
    named = {
        "ProjectName": Arn.parse(version.arn).project,
        "VersionName": version.name,
        "ProjectArn": version.project_arn,
        "ProjectVersionArn": version.arn,
        "Replaces": replaces,
        "Execution": "",
        "Since": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
    }
    parts.objects.write(*current_place(version), orjson.dumps(named))
