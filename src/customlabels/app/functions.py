"""Functions for `lambda:invoke`: the judge, and the public functions of a Python file that the user names.

Layer: app. The file is the user's own program and runs as such, in the server's process; it is named by the
`CUSTOMLABELS_FUNCTIONS` setting or `serve --functions`, never by a request.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from customlabels import pipeline
from customlabels.errors import InvalidInput
from customlabels.operations import Function, FunctionContext, OwnObjects
from customlabels.pipeline import JUDGE_FUNCTION
from customlabels.storage import Objects


def judge_function(objects: Objects, may_use: Callable[[str, str], bool]) -> dict[str, Function]:
    """The judge by its name. may_use: whether an account may use a bucket"""

    def judge(event: Mapping[str, Any], context: FunctionContext) -> dict[str, Any]:
        return pipeline.judged(event, OwnObjects(objects, lambda bucket: may_use(context.account, bucket)))

    return {JUDGE_FUNCTION: judge}


def functions_of(file: Path | None) -> dict[str, Function]:
    """The functions `name(event, context)` that `file` defines, by name; none where there is no file.

    Raises InvalidInput where the file cannot be run, or a public function does not take two arguments.
    """
    if file is None:
        return {}
    spec = spec_from_file_location("customlabels_functions", file)
    if spec is None or spec.loader is None or not file.is_file():
        raise InvalidInput(f"{file}: the functions of tasks are read from a Python file, and this is none")
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InvalidInput(f"{file}: it cannot be run: {type(error).__name__}: {error}") from error
    found: dict[str, Function] = {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }
    wrong = [name for name, function in found.items() if not _takes_two(function)]
    if wrong:
        raise InvalidInput(
            f"{file}: {', '.join(wrong)}: a task's function is called as name(event, context); "
            "begin the names of other functions with an underscore"
        )
    return found


def _takes_two(function: Function) -> bool:
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        return False
    return True
