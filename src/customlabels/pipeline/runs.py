"""One run of the workflow: the execution's input, its output, and the keys of what it leaves behind."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

from customlabels.errors import InvalidInput

Decision: TypeAlias = Literal["DEPLOYED", "REJECTED", "UNDECIDED"]

NAME = re.compile(r"[a-zA-Z0-9_.\-]{1,255}")
DATASET_ARN = re.compile(
    r"arn:[a-z\d-]+:rekognition:[a-z\d-]+:\d{12}:project/[a-zA-Z0-9_.\-]{1,255}/dataset/(train|test)/\d+"
)
BUCKET = re.compile(r"[0-9A-Za-z.\-_]{3,255}")
PREFIX = re.compile(r"[a-zA-Z0-9_.\-]+(/[a-zA-Z0-9_.\-]+)*")

# Events that one turn of a poll loop adds to the history: Wait 2, Task 5, each Pass and Choice 2.
DATASET_TURN_EVENTS = 11
VERSION_TURN_EVENTS = 13
DATASET_LOOPS = 4  # two deletions, then two copies
HISTORY_EVENTS = 24_000  # of the 25,000 that an execution may have; the rest is for everything but waiting
LONGEST_TRAINING_SECONDS = 172_800  # the bound of the workflow itself, below its own timeout


@dataclass(frozen=True)
class Waits:
    """How often the run looks (seconds between two looks) and how long it waits at most (seconds), by stage.

    A server that scales waits down counts the seconds asked for, not the seconds that passed.
    Raises InvalidInput where a value is below 1 or the looks would not fit into the history of an execution.
    """

    dataset_poll_seconds: int = 10
    training_poll_seconds: int = 300
    hosting_poll_seconds: int = 30
    max_dataset_seconds: int = 2700
    max_training_seconds: int = LONGEST_TRAINING_SECONDS
    max_hosting_seconds: int = 3600

    def __post_init__(self) -> None:
        for name, seconds in asdict(self).items():
            _demand(seconds >= 1, name, seconds, "must be at least 1 second")
        events = self.history_events()
        if events > HISTORY_EVENTS:
            raise InvalidInput(
                f"these waits add up to {events} history events, an execution has room for {HISTORY_EVENTS}; "
                "look less often or wait less long"
            )

    def history_events(self) -> int:
        """Events in the history if every stage is waited for to its bound."""
        datasets = math.ceil(self.max_dataset_seconds / self.dataset_poll_seconds)
        training = math.ceil(self.max_training_seconds / self.training_poll_seconds)
        hosting = math.ceil(self.max_hosting_seconds / self.hosting_poll_seconds)
        return datasets * DATASET_LOOPS * DATASET_TURN_EVENTS + (training + hosting) * VERSION_TURN_EVENTS


def poll_seconds(budget_seconds: float) -> Waits:
    """Waits for a training of about `budget_seconds`: 500 looks in that time, three times it at most.

    Raises InvalidInput for a budget that is not above 0 or longer than the workflow waits for any training.
    """
    told = f"must be above 0 and at most {LONGEST_TRAINING_SECONDS} seconds"
    _demand(0 < budget_seconds <= LONGEST_TRAINING_SECONDS, "training budget", budget_seconds, told)
    turn = min(300, math.ceil(budget_seconds / 500))
    return Waits(
        dataset_poll_seconds=1,
        training_poll_seconds=turn,
        hosting_poll_seconds=1,
        max_dataset_seconds=60,
        max_training_seconds=min(turn * 1500, LONGEST_TRAINING_SECONDS),
        max_hosting_seconds=120,
    )


@dataclass(frozen=True)
class RunInput:
    """The execution's input; what is None is left to the state machine's own defaults.

    f1_threshold: 0..1, a version must score strictly above it    output_prefix: no slash at either end
    f1_lower_bound to max_model_megabytes: the judge's rules, 0 and False are not set; scores and margin 0..1
    require_approval: a person is asked before the start    smoke_test: one test image is asked about after it
    Raises InvalidInput for a value that cannot work.
    """

    training_dataset_arn: str | None = None
    test_dataset_arn: str | None = None
    output_bucket: str | None = None
    output_prefix: str | None = None
    project_name: str | None = None
    version_name: str | None = None
    f1_threshold: float | None = None
    min_inference_units: int | None = None
    max_inference_units: int | None = None
    f1_lower_bound: float | None = None
    min_label_f1: float | None = None
    min_label_precision: float | None = None
    min_label_recall: float | None = None
    min_test_images_per_label: int | None = None
    forbid_leakage: bool | None = None
    better_than_deployed: bool | None = None
    deployed_margin: float | None = None
    max_latency_milliseconds: float | None = None
    max_model_megabytes: float | None = None
    require_approval: bool | None = None
    max_approval_seconds: int | None = None
    approval_topic_arn: str | None = None
    notification_topic_arn: str | None = None
    smoke_test: bool | None = None
    waits: Waits | None = None

    def __post_init__(self) -> None:
        for member, pattern, rule in _TEXTS:
            text = getattr(self, member)
            _demand(text is None or pattern.fullmatch(text) is not None, member, text, rule)
        for member, highest in _NUMBERS.items():
            number = getattr(self, member)
            _demand(number is None or 0 <= number <= highest, member, number, f"must be from 0 to {highest}")
        patience = self.max_approval_seconds
        told = "must be at least 1 second"
        _demand(patience is None or patience >= 1, "max_approval_seconds", patience, told)
        least, most = self.min_inference_units, self.max_inference_units
        _demand(least is None or least >= 1, "min_inference_units", least, "must be at least 1")
        told = "must not be below min_inference_units"
        _demand(most is None or most >= (least or 1), "max_inference_units", most, told)

    def to_json(self) -> dict[str, Any]:
        """The flat JSON object that StartExecution takes, without the members that are None."""
        members = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "waits"}
        members |= asdict(self.waits) if self.waits else {}
        return {_wire_name(name): value for name, value in members.items() if value is not None}


@dataclass(frozen=True)
class RunResult:
    """What an execution that succeeded says; f1_score is None where the training gave none."""

    decision: Decision
    project_version_arn: str
    f1_score: float | None
    f1_threshold: float
    reasons: tuple[str, ...]
    report: str

    @classmethod
    def from_output(cls, output: str) -> RunResult:
        """Read an execution's output (JSON text). Raises InvalidInput if it is not the pipeline's."""
        try:
            said = json.loads(output)
            result = cls(
                decision=said["Decision"],
                project_version_arn=said["ProjectVersionArn"],
                f1_score=said["F1Score"],
                f1_threshold=said["F1Threshold"],
                reasons=tuple(said["Reasons"]),
                report=said["Report"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInput(f"not the output of the pipeline ({error!r}): {output[:200]}") from error
        known = get_args(Decision)
        _demand(result.decision in known, "Decision", result.decision, f"is none of {known}")
        return result


def current_key(output_prefix: str, project_name: str) -> str:
    """Key of the object that names the project's version in service."""
    return f"{output_prefix}/{project_name}/current.json"


_NAME_RULE = "must be 1 to 255 of letters, digits, '_', '.', '-'"
_ARN_RULE = "must be a dataset ARN: arn:aws:rekognition:REGION:ACCOUNT:project/NAME/dataset/train|test/DIGITS"
_TEXTS: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("training_dataset_arn", DATASET_ARN, _ARN_RULE),
    ("test_dataset_arn", DATASET_ARN, _ARN_RULE),
    ("output_bucket", BUCKET, "must be 3 to 255 of letters, digits, '.', '-', '_'"),
    (
        "output_prefix",
        PREFIX,
        "must be path segments of letters, digits, '_', '.', '-', with single slashes between",
    ),
    ("project_name", NAME, _NAME_RULE),
    ("version_name", NAME, _NAME_RULE),
)


_NUMBERS = {
    **dict.fromkeys(("f1_threshold", "f1_lower_bound", "min_label_f1", "min_label_precision"), 1),
    **dict.fromkeys(("min_label_recall", "deployed_margin"), 1),
    "min_test_images_per_label": 1_000_000,
    "max_latency_milliseconds": 1_000_000,
    "max_model_megabytes": 1_000_000,
}


def _demand(holds: bool, name: str, value: object, rule: str) -> None:
    if not holds:
        raise InvalidInput(f"{name} is {value!r}; it {rule}")


def _wire_name(name: str) -> str:
    """`f1_threshold` as the contract spells it: F1Threshold."""
    return "".join(part.capitalize() for part in name.split("_"))
