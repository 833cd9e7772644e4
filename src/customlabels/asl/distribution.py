"""Reading what a Map says when its iterations are executions of their own.

The processor of such a Map is a definition for itself, kept as text: its executions know nothing of this one.
"""

import re

from customlabels.asl.documents import Json, compact
from customlabels.asl.fields import LABEL, Problem, Reader
from customlabels.asl.items import DELIMITERS
from customlabels.asl.machines import MOST_ITEMS, Batch, Distributed, Outside

MOST_LABEL = 40  # characters
REFUSED_IN_LABELS = re.compile(r"[ \t\n\r?*<>{}\[\]\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]")
EXECUTION_TYPES = ("STANDARD", "EXPRESS")
READS = ("arn:aws:states:::s3:getObject", "arn:aws:states:::s3:listObjectsV2")
WRITES = ("arn:aws:states:::s3:putObject",)
INPUT_TYPES = ("JSON", "JSONL", "CSV", "MANIFEST")


def read_distributed(reader: Reader, processor: Reader, config: Reader, jsonata: bool) -> Distributed:
    """The fields of a distributed Map beyond those of any; jsonata: the language of the whole machine."""
    config.require("ExecutionType")
    kind = config.one_of("ExecutionType", EXECUTION_TYPES) or "STANDARD"
    source = {name: processor.source[name] for name in ("StartAt", "States") if name in processor.source}
    language: Json = {"QueryLanguage": "JSONata"} if jsonata else {}
    return Distributed(
        definition=compact({**language, **source}),
        execution_type=kind,
        label=_label(reader),
        reader=_item_reader(reader) if reader.has("ItemReader") else None,
        batch=_batcher(reader) if reader.has("ItemBatcher") else None,
        writer=_writer(reader) if reader.has("ResultWriter") else None,
    )


def _label(reader: Reader) -> str | None:
    label = reader.text("Label")
    if label is None:
        return None
    bad = REFUSED_IN_LABELS.search(label)
    problem = None
    if not label:
        problem = "Label cannot be empty"
    elif bad is not None:
        problem = f"Label contains invalid character: {bad[0]!r}"
    elif len(label) > MOST_LABEL:
        problem = f"Label cannot exceed {MOST_LABEL} characters"
    if problem is not None:
        reader.problems.append(Problem(problem, f"{reader.place}/Label", LABEL))
    return label


def _item_reader(reader: Reader) -> Outside:
    inner = reader.inner("ItemReader")
    inner.require("Resource")
    resource = inner.one_of("Resource", READS) or READS[0]
    parameters = inner.template("Arguments" if inner.jsonata else "Parameters")
    told: dict[str, Json] = {}
    most = None
    if inner.has("ReaderConfig"):
        config = inner.inner("ReaderConfig")
        told = {
            "InputType": config.one_of("InputType", INPUT_TYPES),
            "CSVHeaderLocation": config.one_of("CSVHeaderLocation", ("FIRST_ROW", "GIVEN")),
            "CSVHeaders": list(config.texts("CSVHeaders")) if config.has("CSVHeaders") else None,
            "CSVDelimiter": config.one_of("CSVDelimiter", DELIMITERS),
        }
        if told["InputType"] == "CSV" and told["CSVHeaderLocation"] is None:
            config.require("CSVHeaderLocation")
        if told["CSVHeaderLocation"] == "GIVEN":
            config.require("CSVHeaders")
        most = config.amount("MaxItems", 0, MOST_ITEMS)
        config.done()
    if resource == READS[0] and not told.get("InputType"):
        inner.problem("These fields are required: [InputType]", "ReaderConfig")
    inner.done()
    return Outside(resource, parameters, told, most)


def _batcher(reader: Reader) -> Batch:
    inner = reader.inner("ItemBatcher")
    template = inner.template("BatchInput")
    most_items = inner.amount("MaxItemsPerBatch", 1, MOST_ITEMS)
    most_bytes = inner.amount("MaxInputBytesPerBatch", 1, 262_144)
    if most_items is None and most_bytes is None:
        inner.problem("One of these fields is required: [MaxItemsPerBatch, MaxInputBytesPerBatch]")
    inner.done()
    return Batch(template, most_items, most_bytes)


def _writer(reader: Reader) -> Outside | None:
    inner = reader.inner("ResultWriter")
    told: dict[str, Json] = {}
    if inner.has("WriterConfig"):
        config = inner.inner("WriterConfig")
        told = {
            "OutputType": config.one_of("OutputType", ("JSON", "JSONL")),
            "Transformation": config.one_of("Transformation", ("NONE", "COMPACT", "FLATTEN")),
        }
        config.done()
    if not inner.has("Resource") and not told:
        inner.require("Resource")
    resource = inner.one_of("Resource", WRITES)
    parameters = inner.template("Arguments" if inner.jsonata else "Parameters")
    inner.done()
    return Outside(resource or "", parameters, told)
