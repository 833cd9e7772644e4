"""The report of a run: composed when it is asked for, from what lies in its output bucket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from customlabels import pipeline
from customlabels.errors import InvalidInput, ServiceError
from customlabels.operations.access import OwnObjects, may_use
from customlabels.operations.dispatch import Call, Response, operation, table
from customlabels.operations.refusals import invalid_parameter, not_found
from customlabels.operations.rows import version_row

ABSENT = ("ExecutionDoesNotExist", "InvalidArn", "ResourceNotFoundException")


@operation("customlabels", "GetReport")
def get_report(call: Call) -> Response:
    """The report of an execution that has ended, or of a version that was trained."""
    given = [call.params[name] for name in ("ExecutionArn", "ProjectVersionArn") if name in call.params]
    if len(given) != 1:
        raise invalid_parameter("give one of ExecutionArn and ProjectVersionArn")

    def ask(service: str, name: str, params: Mapping[str, Any]) -> Response:
        answer = table()[service, name](replace(call, service=service, operation=name, params=dict(params)))
        assert isinstance(answer, dict)  # those that are asked for do not wait
        return answer

    if "ProjectVersionArn" in call.params:
        with call.parts.records.read() as reading:
            version_row(reading, call, given[0])
    try:
        place = pipeline.place_of(ask, given[0])
        own = OwnObjects(call.parts.objects, partial(may_use, call))
        text = pipeline.report_text(place, own, as_json=call.params.get("Format") == "JSON")
    except ServiceError as error:
        if error.code in ABSENT:
            raise not_found(str(error)) from error
        raise
    except InvalidInput as error:
        raise invalid_parameter(str(error)) from error
    bucket, key = place.beside("report.html")
    return {"Text": text, "Bucket": bucket, "Key": key}
