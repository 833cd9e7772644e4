"""Amazon States Language: read, check, and decide the next step of an execution.

Layer: the ground. A pure interpreter: no clock, no chance, no input or output of its own. The shell hands
in a happening, the time and a seed; it gets back events for the history, commands to carry out and a
snapshot to keep.

    machine = parse(read_definition(text))
    decision = decide(machine, None, ExecutionStarted(...), now, seed, Rules())
    decision = decide(machine, decision.state, TaskSucceeded(5, "{}"), now, seed, Rules())
"""

from typing import TYPE_CHECKING

from customlabels.doors import later

if TYPE_CHECKING:
    from customlabels.asl.comparing import Difference, differences
    from customlabels.asl.definitions import read_definition
    from customlabels.asl.distributed import EXCEEDED, MAP_RUN, batched, child_inputs, exceeds
    from customlabels.asl.documents import read_json
    from customlabels.asl.execution import Execution, next_wakeup
    from customlabels.asl.failures import Failure, data_limit
    from customlabels.asl.fields import InvalidDefinition, Problem
    from customlabels.asl.happenings import (
        Abort,
        CancelTask,
        Continue,
        Event,
        ExecutionStarted,
        Finish,
        Happening,
        Rules,
        ScheduleTask,
        TaskFailed,
        TaskHeartbeatMissed,
        TaskStarted,
        TaskSubmitted,
        TaskSucceeded,
        TaskTimedOut,
        TimerDue,
    )
    from customlabels.asl.interpreter import Decision, decide
    from customlabels.asl.intrinsics import FUNCTIONS as INTRINSICS
    from customlabels.asl.items import inventory, items_of, reader_failed
    from customlabels.asl.json_texts import json_problem
    from customlabels.asl.jsonata import OURS as QUERY_FUNCTIONS
    from customlabels.asl.machines import Machine, State
    from customlabels.asl.parsing import STATES as STATE_TYPES
    from customlabels.asl.parsing import UNKNOWN_RESOURCE, parse, parse_state
    from customlabels.asl.single_states import NAME as TESTED_STATE
    from customlabels.asl.single_states import Report, StateTest
    from customlabels.asl.watching import Surroundings
else:
    __getattr__ = later(__name__)

__all__ = [
    "EXCEEDED",
    "INTRINSICS",
    "MAP_RUN",
    "QUERY_FUNCTIONS",
    "STATE_TYPES",
    "TESTED_STATE",
    "UNKNOWN_RESOURCE",
    "Abort",
    "CancelTask",
    "Continue",
    "Decision",
    "Difference",
    "Event",
    "Execution",
    "ExecutionStarted",
    "Failure",
    "Finish",
    "Happening",
    "InvalidDefinition",
    "Machine",
    "Problem",
    "Report",
    "Rules",
    "ScheduleTask",
    "State",
    "StateTest",
    "Surroundings",
    "TaskFailed",
    "TaskHeartbeatMissed",
    "TaskStarted",
    "TaskSubmitted",
    "TaskSucceeded",
    "TaskTimedOut",
    "TimerDue",
    "batched",
    "child_inputs",
    "data_limit",
    "decide",
    "differences",
    "exceeds",
    "inventory",
    "items_of",
    "json_problem",
    "next_wakeup",
    "parse",
    "parse_state",
    "read_definition",
    "read_json",
    "reader_failed",
]
