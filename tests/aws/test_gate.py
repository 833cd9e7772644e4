"""The offline gate of the AWS application: nothing found in it, every seeded fault found."""

from __future__ import annotations

from collections import Counter

import pytest
from aws.application import Application
from aws.corpus import Fault, faults
from aws.definitions import actions_of, definition_of
from aws.permissions import BESIDES, granted_by, role_of
from aws.steps import CHECKS, STEPS, findings_of, run_steps

APPLICATION = Application.of()
CORPUS = faults()
WITHOUT_TOOLS = [fault for fault in CORPUS if fault.step in CHECKS]
# What is deployed is what was built.
TOGETHER = [[step.name] for step in STEPS if step.needs and step.name not in ("sam-build", "deploy")]
TOGETHER.append(["sam-build", "deploy"])


@pytest.mark.parametrize("check", CHECKS)
def test_our_own_checks_find_nothing_in_the_application(check: str) -> None:
    assert findings_of(CHECKS[check], APPLICATION) == []


@pytest.mark.parametrize("fault", WITHOUT_TOOLS, ids=lambda fault: fault.name)
def test_a_seeded_fault_is_found(fault: Fault) -> None:
    found = findings_of(CHECKS[fault.step], fault.put_into(APPLICATION))

    assert fault.caught_by(found), found


@pytest.mark.aws_tools
@pytest.mark.timeout(900)
@pytest.mark.parametrize("steps", TOGETHER, ids="+".join)
def test_other_peoples_programs_find_nothing_but_the_seeded_faults(steps: list[str]) -> None:
    results = list(run_steps(steps))
    if any(result.skipped for result in results):
        pytest.skip("; ".join(result.skipped for result in results if result.skipped))

    assert [wrong for result in results for wrong in (*result.found, *result.missed)] == []
    assert all(result.caught for result in results)


def test_every_step_has_faults_and_there_are_forty_at_least() -> None:
    counted = Counter(fault.step for fault in CORPUS)

    print(f"seeded faults: {len(CORPUS)}: {dict(counted)}")

    assert len(CORPUS) >= 40
    assert len({fault.name for fault in CORPUS}) == len(CORPUS)
    assert set(counted) == {step.name for step in STEPS}


def test_the_pipelines_role_may_do_what_its_states_do_and_what_has_a_reason() -> None:
    filled = APPLICATION.filled(options=True)
    machine = filled.resources["RekognitionStateMachine"]["Properties"]
    role = role_of(machine, filled)
    assert role is not None

    granted = granted_by(filled.resources[role]["Properties"])
    used = actions_of(definition_of(APPLICATION, machine))

    assert {one for one in granted if not one.startswith(("logs:", "xray:"))} == used | set(BESIDES)


def test_no_aliases_hide_in_the_definitions() -> None:
    import yaml

    for path, text in APPLICATION.files.items():
        if path.startswith("statemachine/"):
            assert not any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)), path
