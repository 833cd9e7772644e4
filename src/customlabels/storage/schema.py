"""The tables: one schema for SQLite and PostgreSQL, changed only by a migration.

Layer: storage. Times are float epoch seconds; columns that hold JSON are text, written and read by the
room that owns the table. ARNs are the primary keys of what has an ARN.
"""

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.schema import SchemaItem

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _table(name: str, *parts: SchemaItem) -> Table:
    return Table(name, metadata, *parts)


# ---------------------------------------------------------------- buckets, tags, answered tokens

buckets = _table(
    "buckets",
    Column("name", Text, primary_key=True),
    Column("folder", Text, nullable=False),  # absolute; the files stay where they are
    Column("created_at", Float, nullable=False),
)

tags = _table(
    "tags",
    Column("resource_arn", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

# What a request with a client token was answered: written in the transaction of its effect, so that the
# same token, sent again after a crash, gets the same answer and has no second effect.
answers = _table(
    "answers",
    Column("token", Text, primary_key=True),
    Column("operation", Text, nullable=False),
    Column("response", Text, nullable=False),  # JSON
    Column("created_at", Float, nullable=False),
)

# Keys of this home that no client ever sees; each is made by the migration that needs it.
keys = _table(
    "keys",
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

# ---------------------------------------------------------------- projects, datasets, versions

projects = _table(
    "projects",
    Column("arn", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("account", "region", "name"),
)

policies = _table(
    "policies",
    Column("project_arn", Text, ForeignKey("projects.arn"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("document", Text, nullable=False),  # as given
    Column("revision_id", Text, nullable=False),  # another one after each change
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
)

# The lines of a dataset at one moment. Staged in small batches, then put in place by one pointer in
# `datasets`; never changed afterwards, so that copies and trainings share it.
revisions = _table(
    "revisions",
    Column("id", Text, primary_key=True),
    Column("status", Text, nullable=False),  # STAGING | READY
    Column("total_entries", Integer, nullable=False, default=0),
    Column("labeled_entries", Integer, nullable=False, default=0),
    Column("total_labels", Integer, nullable=False, default=0),
    Column("error_entries", Integer, nullable=False, default=0),
    Column("created_at", Float, nullable=False),
)

entries = _table(
    "entries",
    Column("revision_id", Text, ForeignKey("revisions.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("source_ref", Text, nullable=False),
    Column("line", Text, nullable=False),  # the JSON line as given, without our additions
    Column("is_labeled", Integer, nullable=False),  # 0 | 1
    Column("errors", Text),  # JSON, null when there are none
    UniqueConstraint("revision_id", "source_ref"),
)

# The source refs of successive entries in one long text, each on a line.
ref_texts = _table(
    "ref_texts",
    Column("revision_id", Text, ForeignKey("revisions.id", ondelete="CASCADE"), primary_key=True),
    Column("first", Integer, primary_key=True),  # position
    Column("refs", Text, nullable=False),
)

# Which entries of a revision have something, by the name of that: a bit for each position, packed.
entry_sets = _table(
    "entry_sets",
    Column("revision_id", Text, ForeignKey("revisions.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("bits", LargeBinary, nullable=False),
)

# Lines that were left out: of a revision by its id, of an operation that failed by its dataset's ARN.
dropped_lines = _table(
    "dropped_lines",
    Column("subject", Text, primary_key=True),
    Column("position", Integer, primary_key=True),  # the line's number in what was handed over
    Column("code", Text, nullable=False),
)

# A newer version beside the one in service: SHADOW | WATCHING once it was promoted, then PROMOTED |
# ROLLED_BACK | ENDED. Differences of a pair are few: old ones go.
shadows = _table(
    "shadows",
    Column("id", Integer, primary_key=True),
    Column("project_arn", Text, nullable=False, index=True),
    Column("older_arn", Text, nullable=False),
    Column("newer_arn", Text, nullable=False),
    Column("live_arn", Text, nullable=False),  # the one of them that clients ask
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("rules", Text, nullable=False),  # JSON
    Column("counts", Text, nullable=False),  # JSON
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
)

disagreements = _table(
    "disagreements",
    Column("id", Integer, primary_key=True),
    Column("shadow_id", Integer, ForeignKey("shadows.id"), nullable=False, index=True),
    Column("at", Float, nullable=False),
    Column("bucket", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("newer", Text, nullable=False),  # JSON, as it was answered
    Column("older", Text, nullable=False),
)

entry_labels = _table(
    "entry_labels",
    Column("revision_id", Text, primary_key=True),
    Column("label", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("boxes", Integer, nullable=False, default=0),
)

datasets = _table(
    "datasets",
    Column("arn", Text, primary_key=True),
    Column("project_arn", Text, ForeignKey("projects.arn"), nullable=False),
    Column("type", Text, nullable=False),  # TRAIN | TEST
    Column("status", Text, nullable=False),
    Column("status_message", Text, nullable=False),
    Column("status_message_code", Text, nullable=False),
    Column("revision_id", Text, ForeignKey("revisions.id")),  # null while nothing is in place
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    UniqueConstraint("project_arn", "type"),
)

versions = _table(
    "versions",
    Column("arn", Text, primary_key=True),
    Column("project_arn", Text, ForeignKey("projects.arn"), nullable=False),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("status_message", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("training_ended_at", Float),
    Column("train_revision_id", Text, ForeignKey("revisions.id")),  # the snapshot that it was trained on
    Column("test_revision_id", Text, ForeignKey("revisions.id")),
    Column("min_units", Integer),
    Column("max_units", Integer),
    Column("f1_score", Float),
    Column("folder", Text),  # the artefact, relative to the home
    Column("details", Text, nullable=False, default="{}"),  # JSON: request and results in wire names
    Column("evaluation", Text),  # JSON: the evaluation summary, too large to be read with each listing
    Column("source_arn", Text),  # of a copy: the version that it is a copy of
    UniqueConstraint("project_arn", "name"),
    Index(None, "project_arn", "created_at", "arn"),
)

# Which version served when; added to, never changed: triggers of the migration see to it.
ledger = _table(
    "ledger",
    Column("number", Integer, primary_key=True),  # from 1, without a gap
    Column("at", Float, nullable=False),
    Column("project_arn", Text, nullable=False),
    Column("version_arn", Text, nullable=False),
    Column("action", Text, nullable=False),  # SERVING | ENDED
    Column("run", Text, nullable=False),  # the execution that asked for it, or empty
    Column("reason", Text, nullable=False),
    Column("evidence", Text, nullable=False),  # JSON
    Column("previous", Text, nullable=False),  # the digest of the entry before
    Column("digest", Text, nullable=False),  # of all of the above
    Index("ix_ledger_project_arn", "project_arn", "number"),
)

# ---------------------------------------------------------------- jobs: long work of any kind

jobs = _table(
    "jobs",
    Column("id", Text, primary_key=True),
    Column("client_token", Text, unique=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),  # the ARN that it works for
    Column("spec", Text, nullable=False),  # JSON
    Column("status", Text, nullable=False),  # QUEUED | RUNNING | SUCCEEDED | FAILED | CANCELLED
    Column("attempt", Integer, nullable=False, default=0),  # fences a worker whose lease ran out
    Column("lost", Integer, nullable=False, default=0),  # runs that were cut off: the server died
    Column("owner", Text),
    Column("lease_until", Float),
    Column("cancel_requested", Integer, nullable=False, default=0),
    Column("progress", Text, nullable=False, default="{}"),  # JSON
    Column("error", Text),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    Index(None, "status", "kind", "created_at"),
    Index(None, "subject"),
)

# ---------------------------------------------------------------- workflows: machines, executions, tasks

state_machines = _table(
    "state_machines",
    Column("arn", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),  # STANDARD | EXPRESS
    Column("status", Text, nullable=False),
    Column("definition", Text, nullable=False),  # as given
    Column("role_arn", Text, nullable=False),
    Column("revision_id", Text, nullable=False),
    Column("details", Text, nullable=False, default="{}"),  # JSON: logging, tracing, in wire names
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float),  # null until the first update
    Column("last_version", Integer, nullable=False, server_default="0"),  # numbers are never given twice
    UniqueConstraint("account", "region", "name"),
)

# A revision of a machine that was published under a number; never changed.
machine_versions = _table(
    "machine_versions",
    Column("arn", Text, primary_key=True),
    Column("machine_arn", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("description", Text),
    Column("revision_id", Text, nullable=False),
    Column("definition", Text, nullable=False),
    Column("role_arn", Text, nullable=False),
    Column("details", Text, nullable=False),  # JSON, as the machine's
    Column("created_at", Float, nullable=False),
    UniqueConstraint("machine_arn", "number"),
)

# A name for one or two versions, with the share of the executions that each gets.
machine_aliases = _table(
    "machine_aliases",
    Column("arn", Text, primary_key=True),
    Column("machine_arn", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("routes", Text, nullable=False),  # JSON: version ARN and weight in percent, in the given order
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    UniqueConstraint("machine_arn", "name"),
)

activities = _table(
    "activities",
    Column("arn", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", Float, nullable=False),
)

executions = _table(
    "executions",
    Column("arn", Text, primary_key=True),
    Column("machine_arn", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("definition", Text, nullable=False),  # frozen at the start: an update does not touch a run
    Column("role_arn", Text, nullable=False),
    Column("input", Text, nullable=False),
    Column("output", Text),
    Column("error", Text),
    Column("cause", Text),
    Column("seq", Integer, nullable=False, default=0),  # compare-and-set of every advance
    Column("state", Text),  # JSON snapshot of the interpreter; null before the first advance
    Column("ready_at", Float),  # when it next has something to do; null while only tasks are awaited, or over
    Column("started_at", Float, nullable=False),
    Column("stopped_at", Float),
    Column("details", Text, nullable=False, default="{}"),  # JSON: trace header and the like
    Column("stopping", Text),  # JSON: error and cause of a stop that the engine is to carry out
    Column("redrive_count", Integer, nullable=False, server_default="0"),
    Column("redriven_at", Float),
    UniqueConstraint("machine_arn", "name"),
    Index(None, "ready_at"),
    Index(None, "machine_arn", "started_at"),
    Index(None, "status"),
)

events = _table(
    "events",
    Column("execution_arn", Text, ForeignKey("executions.arn", ondelete="CASCADE"), primary_key=True),
    Column("id", Integer, primary_key=True),  # from 1, without a gap
    Column("previous_id", Integer, nullable=False),
    Column("at", Float, nullable=False),
    Column("type", Text, nullable=False),
    Column("details", Text, nullable=False),  # JSON in wire names
)

tasks = _table(
    "tasks",
    Column("token", Text, primary_key=True),
    Column("execution_arn", Text, ForeignKey("executions.arn", ondelete="CASCADE"), nullable=False),
    Column("event_id", Integer, nullable=False),  # of TaskScheduled
    Column("resource", Text, nullable=False),
    Column("parameters", Text, nullable=False),  # JSON
    # SCHEDULED | OFFERED (to workers) | STARTED | WAITING (for an answer from outside) | ANSWERED
    # | SUCCEEDED | FAILED | TIMED_OUT | CANCELLED
    Column("status", Text, nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("owner", Text),
    Column("lease_until", Float),
    Column("timeout_seconds", Float),
    Column("heartbeat_seconds", Float),
    Column("timeout_at", Float),
    Column("heartbeat_due", Float),
    Column("created_at", Float, nullable=False),
    Column("answer", Text),  # JSON: output, or error and cause, as it came from outside
    Column("awaits", Text),  # the ARN of the execution whose end is the answer
    UniqueConstraint("execution_arn", "event_id"),
    Index(None, "status", "created_at"),
    Index(None, "resource", "status", "created_at"),
    Index(None, "awaits"),
    Index(None, "timeout_at"),
    Index(None, "heartbeat_due"),
)

# A distributed Map under way: its iterations are executions of their own.
map_runs = _table(
    "map_runs",
    Column("arn", Text, primary_key=True),
    Column("execution_arn", Text, ForeignKey("executions.arn", ondelete="CASCADE"), nullable=False),
    Column("token", Text, nullable=False, unique=True),  # of the task that waits for it
    Column("plan", Text, nullable=False),  # JSON, as the interpreter made it, without items
    Column("status", Text, nullable=False),  # READING | RUNNING | SUCCEEDED | FAILED | ABORTED
    Column("max_concurrency", Integer, nullable=False),
    Column("tolerated_count", Integer),
    Column("tolerated_percentage", Float),
    Column("started_at", Float, nullable=False),
    Column("stopped_at", Float),
    Index(None, "execution_arn", "started_at"),
    Index(None, "status"),
)

# The children of a map run: staged with their inputs, started as the run has room for them.
map_children = _table(
    "map_children",
    Column("map_run_arn", Text, ForeignKey("map_runs.arn", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("items", Integer, nullable=False),  # in its input: more than one in a batch
    Column("input", Text, nullable=False),
    Column("status", Text, nullable=False),  # PENDING, or as its execution
    Column("execution_arn", Text, nullable=False),  # its name is drawn when it is staged
    Index(None, "map_run_arn", "status"),
)

# Bodies too large for the row that names them, by digest.
payloads = _table(
    "payloads",
    Column("digest", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
)
