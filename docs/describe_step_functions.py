"""Write the tables of docs/step-functions.md from the code: `make tables`. A test holds them equal."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from customlabels.app import models_folder
from customlabels.asl import INTRINSICS, QUERY_FUNCTIONS, STATE_TYPES, InvalidDefinition, parse_state
from customlabels.operations import table
from customlabels.wire import load_services
from customlabels.workflows import OPTIMISED

DOCUMENT = Path(__file__).resolve().parent / "step-functions.md"
SECTION = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

# Every field that the States Language gives a state of any type.
FIELDS = (
    *(
        "InputPath",
        "Parameters",
        "ResultSelector",
        "ResultPath",
        "OutputPath",
        "Arguments",
        "Output",
        "Assign",
    ),
    *("Next", "End", "Result", "Resource", "TimeoutSeconds", "TimeoutSecondsPath", "HeartbeatSeconds"),
    *("HeartbeatSecondsPath", "Credentials", "Retry", "Catch", "Seconds", "SecondsPath", "Timestamp"),
    *("TimestampPath", "Choices", "Default", "Branches", "Iterator", "ItemProcessor", "ItemsPath", "Items"),
    *("ItemSelector", "ItemReader", "ItemBatcher", "ResultWriter", "MaxConcurrency", "MaxConcurrencyPath"),
    *("ToleratedFailureCount", "ToleratedFailureCountPath", "ToleratedFailurePercentage"),
    *("ToleratedFailurePercentagePath", "Label", "Error", "ErrorPath", "Cause", "CausePath"),
)
PROCESSOR = {
    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
    "StartAt": "In",
    "States": {"In": {"Type": "Succeed"}},
}
# Of a field that another one gives way to, or that only such a Map has, so that each is asked for.
PROBES: dict[str, Any] = {"ItemProcessor": PROCESSOR, "Iterator": PROCESSOR}


def fields_of(kind: str, language: str) -> Iterator[str]:
    """The fields that a state of this type may have: those that reading one does not call unsupported."""
    for field in FIELDS:
        inside = {"ItemProcessor": PROCESSOR} if kind == "Map" and field != "Iterator" else {}
        state = {"Type": kind, "QueryLanguage": language, **inside, field: PROBES.get(field, 0)}
        try:
            parse_state(json.dumps(state), "S")
        except InvalidDefinition as error:
            if f"Field '{field}' is not supported" in str(error):
                continue
        yield field


def rows(heads: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """A table."""
    heads = list(heads)
    return "".join(f"| {' | '.join(line)} |\n" for line in (heads, ["---"] * len(heads), *lines))


def states() -> str:
    """State types and their fields, by query language."""
    return rows(
        ("type", "fields with JSONPath", "fields with JSONata"),
        (
            (kind, *(", ".join(fields_of(kind, language)) for language in ("JSONPath", "JSONata")))
            for kind in STATE_TYPES
        ),
    )


def functions() -> str:
    """Functions of the two query languages that are Step Functions' own."""
    return rows(
        ("language", "functions"),
        (
            ("JSONPath", ", ".join(f"States.{name}" for name in sorted(INTRINSICS))),
            ("JSONata, besides its own", ", ".join(f"${name}" for name in sorted(QUERY_FUNCTIONS))),
        ),
    )


def resources() -> str:
    """What a Task may name."""
    offered = (
        (f"`{service}:{action}`" for action in sorted(OPTIMISED[service])) for service in sorted(OPTIMISED)
    )
    return rows(
        ("resource", "what runs it"),
        (
            ("`arn:aws:lambda:...:function:NAME`, `lambda:invoke`", "a registered Python function"),
            ("`arn:aws:states:...:activity:NAME`", "workers that ask by GetActivityTask"),
            ("`aws-sdk:SERVICE:ACTION`", "this server for its own services, else `AWS_ENDPOINT_URL_SERVICE`"),
            (
                ", ".join(one for service in offered for one in service),
                "the same, in the integration's words",
            ),
            ("`.sync`, `.sync:2` of `states:startExecution`", "a nested execution, waited for"),
            ("`.waitForTaskToken`", "whoever answers by SendTaskSuccess or SendTaskFailure"),
        ),
    )


def operations() -> str:
    """The API's operations, and whether they are answered."""
    ours = {name for service, name in table() if service == "stepfunctions"}
    known = load_services(models_folder())["stepfunctions"].operations
    return rows(
        ("answered", "operations"),
        (
            ("yes", ", ".join(name for name in known if name in ours)),
            ("no", ", ".join(name for name in known if name not in ours) or "(none)"),
        ),
    )


TABLES = {"states": states, "functions": functions, "resources": resources, "operations": operations}


def described(text: str) -> str:
    """The document with its tables as the code has them."""
    return SECTION.sub(lambda match: f"{match[1]}{TABLES[match[2]]()}{match[3]}", text)


def main() -> None:
    """Write the document anew."""
    DOCUMENT.write_text(described(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
