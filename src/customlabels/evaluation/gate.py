"""The gate: whether a model goes into service, by which rule, and what would change it.

Layer: evaluation. RULES is the one table of what can be asked for: names of the execution's input, flags of
`customlabels run`, defaults. docs/gate.md tells the same to people, and how each outcome becomes a verdict.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from customlabels.errors import InvalidInput
from customlabels.evaluation.comparing import Comparison
from customlabels.evaluation.evaluations import Evaluation
from customlabels.evaluation.lacking import lacking_images
from customlabels.evaluation.wear import widened, worn

DEPLOYED, REJECTED, UNDECIDED = "DEPLOYED", "REJECTED", "UNDECIDED"
Said = Literal["PASSES", "FAILS", "UNSURE"]
NAMED = 5  # labels or images in a sentence


@dataclass(frozen=True)
class Rule:
    """One thing that can be asked of a model.

    name: of the execution input's member     flag: of `customlabels run`     default: 0 and False are not set
    most: the largest value; None for any
    """

    name: str
    flag: str
    default: float | bool
    says: str
    most: float | None = None


RULES = (
    Rule("F1Threshold", "--min-f1", 0.85, "The F1 score is above this.", 1),
    Rule("F1LowerBound", "--f1-lower-bound", 0, "The low end of the F1 score's interval is above this.", 1),
    Rule("MinLabelF1", "--min-label-f1", 0, "No label's F1 score is below this.", 1),
    Rule("MinLabelPrecision", "--min-label-precision", 0, "No label's precision is below this.", 1),
    Rule("MinLabelRecall", "--min-label-recall", 0, "No label's recall is below this.", 1),
    Rule("MinTestImagesPerLabel", "--min-test-images", 0, "No label has fewer test images than this."),
    Rule("ForbidLeakage", "--forbid-leakage", False, "No test image is among the training images."),
    Rule("BetterThanDeployed", "--better-than-deployed", False, "Better than the version in service."),
    Rule("DeployedMargin", "--deployed-margin", 0, "By how much of F1 it may be worse than that one.", 1),
    Rule("MaxLatencyMilliseconds", "--max-latency-ms", 0, "An image is answered in at most this time."),
    Rule("MaxModelMegabytes", "--max-model-mb", 0, "The model is at most this large."),
)


@dataclass(frozen=True)
class Evidence:
    """What is known of a model; None where it is not.

    f1: as the service reports it     evaluation: counted again from its predictions
    comparison: with the version in service     not_compared: why there is none
    leaked: test images that are training images, told apart `by_content` or by their names alone
    decisions: how many versions this test set has judged, this one included
    """

    f1: float
    evaluation: Evaluation
    comparison: Comparison | None = None
    not_compared: str = "no version of this project is in service."
    leaked: Sequence[str] | None = None
    by_content: bool = False
    latency_milliseconds: float | None = None
    model_megabytes: float | None = None
    decisions: int = 1

    @cached_property
    def f1_low(self) -> float:
        """The low end of F1's interval, widened for how often the test set was asked."""
        return widened(self.evaluation.f1, self.evaluation.f1_interval.low, self.decisions)


@dataclass(frozen=True)
class Outcome:
    """What a rule says: value against bound; margin is how far it is on the right side of it."""

    rule: str
    value: float | None
    bound: float
    outcome: Said
    sentence: str
    margin: float | None = None


@dataclass(frozen=True)
class Judgement:
    """The verdict, each rule that was set, and what to do.

    more_images: test images of each label that would decide it, if the figures stay as they are
    """

    decision: str
    outcomes: tuple[Outcome, ...]
    warnings: tuple[str, ...]
    more_images: Mapping[str, int]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Sentences: what speaks against it first."""
        order = ("FAILS", "UNSURE", "PASSES")
        told = sorted(self.outcomes, key=lambda each: order.index(each.outcome))
        wanted = ", ".join(f"{count} more of {label}" for label, count in self.more_images.items())
        advice = [f"Test images that would decide it, if the figures stay as they are: {wanted}."]
        return (*(each.sentence for each in told), *(advice if wanted else ()), *self.warnings)


Check = Callable[[Evidence, Mapping[str, float]], Outcome]


def rules_of(config: Mapping[str, Any]) -> dict[str, float]:
    """The rules in an execution's input, defaults for those left out. Raises InvalidInput, all at once."""
    found, problems = {rule.name: config.get(rule.name, rule.default) for rule in RULES}, []
    for rule in RULES:
        value, switch = found[rule.name], isinstance(rule.default, bool)
        if isinstance(value, bool) != switch or not isinstance(value, (int, float)):
            problems.append(f"{rule.name} is {value!r}; it is {'true or false' if switch else 'a number'}")
        elif not 0 <= value <= (rule.most or float("inf")):
            problems.append(f"{rule.name} is {value!r}; it is from 0 to {rule.most or 'any number'}")
    if problems:
        raise InvalidInput("; ".join(problems))
    return found


def judge(rules: Mapping[str, float], evidence: Evidence) -> Judgement:
    """The verdict by the rules that are set: REJECTED if any fails, else UNDECIDED if any is unsure."""
    asked = [
        rule for rule in RULES if rule.name in CHECKS and (rules[rule.name] or rule.name == "F1Threshold")
    ]
    outcomes = tuple(CHECKS[rule.name](evidence, rules) for rule in asked)
    said = {each.outcome for each in outcomes}
    decision = REJECTED if "FAILS" in said else UNDECIDED if "UNSURE" in said else DEPLOYED
    more = dict.fromkeys(evidence.evaluation.labels, 0)
    for outcome in outcomes:
        if outcome.outcome != "PASSES":
            for label, count in _lacking(outcome, evidence).items():
                more[label] = max(more[label], count)
    return Judgement(
        decision, outcomes, _warnings(evidence), {label: count for label, count in more.items() if count}
    )


def _lacking(outcome: Outcome, evidence: Evidence) -> Mapping[str, int]:
    """Test images that would decide a rule; none where images cannot."""
    evaluation = evidence.evaluation
    if outcome.rule == "MinTestImagesPerLabel":
        return {each.label: max(0, round(outcome.bound) - each.images) for each in evaluation.by_label}
    if outcome.outcome == "UNSURE" and outcome.rule == "F1LowerBound":
        return lacking_images(evaluation, evaluation.f1 - outcome.bound, evaluation.f1 - evidence.f1_low)
    if outcome.outcome == "UNSURE" and outcome.value is not None and evidence.comparison is not None:
        spread = outcome.value - evidence.comparison.low(evidence.decisions)
        return lacking_images(evaluation, outcome.value + outcome.bound, spread)
    return {}


def _warnings(evidence: Evidence) -> tuple[str, ...]:
    told = [*worn(evidence.decisions)]
    if abs(evidence.f1 - evidence.evaluation.f1) > 0.001:
        told.append(
            f"The service reports F1 {evidence.f1:.4f}; its own list of predictions gives "
            f"{evidence.evaluation.f1:.4f}, by which all rules but F1Threshold are judged."
        )
    return tuple(told)


def _above(rule: str, value: float, bound: float, what: str) -> Outcome:
    """Strictly above. NaN is above nothing."""
    said: Said = "PASSES" if value > bound else "FAILS"
    words = "is above" if said == "PASSES" else "is not above"
    return Outcome(rule, value, bound, said, f"{what} {value:.4f} {words} {bound:g}.", value - bound)


def _f1(evidence: Evidence, rules: Mapping[str, float]) -> Outcome:
    return _above("F1Threshold", evidence.f1, rules["F1Threshold"], "The F1 score")


def _f1_low(evidence: Evidence, rules: Mapping[str, float]) -> Outcome:
    bound, f1, low = rules["F1LowerBound"], evidence.evaluation.f1, evidence.f1_low
    if f1 <= bound:
        sentence = f"The F1 score {f1:.4f} itself is not above {bound:g}, which its lower bound is to be."
        return Outcome("F1LowerBound", low, bound, "FAILS", sentence, low - bound)
    what = f"Of the F1 score {f1:.4f}, the lower bound (95 % interval)"
    told = _above("F1LowerBound", low, bound, what)
    return told if told.outcome == "PASSES" else replace(told, outcome="UNSURE")


def _by_label(rule: str, figure: str, what: str) -> Check:
    def check(evidence: Evidence, rules: Mapping[str, float]) -> Outcome:
        bound = rules[rule]
        worst_first = sorted(evidence.evaluation.by_label, key=lambda each: float(getattr(each, figure)))
        worst = float(getattr(worst_first[0], figure))
        below = [
            f"{each.label} {getattr(each, figure):.4g}"
            for each in worst_first
            if getattr(each, figure) < bound
        ]
        if not below:
            sentence = (
                f"{what} of every label is at least {bound:g}; lowest: {worst_first[0].label} {worst:.4g}."
            )
            return Outcome(rule, worst, bound, "PASSES", sentence, worst - bound)
        sentence = f"{what} is below {bound:g} for {_some(below)}."
        return Outcome(rule, worst, bound, "FAILS", sentence, worst - bound)

    return check


def _leakage(evidence: Evidence, _rules: Mapping[str, float]) -> Outcome:
    leaked = evidence.leaked
    if leaked is None:
        sentence = "Whether test images were trained on is not known: the training left no list of them."
        return Outcome("ForbidLeakage", None, 0, "FAILS", sentence)
    count = len(leaked)
    names = "told by their names alone: contents are compared in local runs"
    how = f" ({'by bytes, and by a likeness of 0.95' if evidence.by_content else names})"
    if count:
        sentence = f"{count} test images are training images{how}: {_some(leaked)}."
        return Outcome("ForbidLeakage", count, 0, "FAILS", sentence, -count)
    return Outcome("ForbidLeakage", 0, 0, "PASSES", f"No test image is a training image{how}.", 0)


def _better(evidence: Evidence, rules: Mapping[str, float]) -> Outcome:
    rule, margin, told = "BetterThanDeployed", rules["DeployedMargin"], evidence.comparison
    if told is None:
        return Outcome(
            rule, None, margin, "PASSES", f"Not compared, and not held against it: {evidence.not_compared}"
        )
    low = told.low(evidence.decisions)
    said: Said = "FAILS"
    if told.difference > -margin:
        proven = low > -margin and (margin > 0 or told.mcnemar is None or told.mcnemar < 0.05)
        said = "PASSES" if proven else "UNSURE"
    words = {"PASSES": "is", "UNSURE": "is not surely", "FAILS": "is not"}[said]
    asked = f"no more than {margin:g} worse than" if margin else "better than"
    exact = f", McNemar p {told.mcnemar:.3g}" if told.mcnemar is not None else ""
    figures = f"F1 {told.difference:+.4f} on the same {told.images} images (at least {low:+.4f}{exact})"
    sentence = f"It {words} {asked} the version in service: {figures}."
    return Outcome(rule, told.difference, margin, said, sentence, low + margin)


def _at_most(rule: str, member: str, what: str, unit: str) -> Check:
    def check(evidence: Evidence, rules: Mapping[str, float]) -> Outcome:
        value, bound = getattr(evidence, member), rules[rule]
        if value is None:
            sentence = f"{what} is not known: AWS does not tell it. Leave {rule} out, or run locally."
            return Outcome(rule, None, bound, "FAILS", sentence)
        said: Said = "PASSES" if value <= bound else "FAILS"
        words = "at most" if said == "PASSES" else "more than"
        return Outcome(
            rule, value, bound, said, f"{what} is {value:.4g} {unit}, {words} {bound:g}.", bound - value
        )

    return check


CHECKS: Mapping[str, Check] = {
    "F1Threshold": _f1,
    "F1LowerBound": _f1_low,
    "MinLabelF1": _by_label("MinLabelF1", "f1", "The F1 score"),
    "MinLabelPrecision": _by_label("MinLabelPrecision", "precision", "The precision"),
    "MinLabelRecall": _by_label("MinLabelRecall", "recall", "The recall"),
    "MinTestImagesPerLabel": _by_label("MinTestImagesPerLabel", "images", "The number of test images"),
    "ForbidLeakage": _leakage,
    "BetterThanDeployed": _better,
    "MaxLatencyMilliseconds": _at_most(
        "MaxLatencyMilliseconds", "latency_milliseconds", "The time for an image", "ms"
    ),
    "MaxModelMegabytes": _at_most("MaxModelMegabytes", "model_megabytes", "The model's size", "MB"),
}


def _some(told: Sequence[str]) -> str:
    return ", ".join(told[:NAMED]) + (f" and {len(told) - NAMED} more" if len(told) > NAMED else "")
