"""The report of a run: composed when it is asked for, from what lies in its output bucket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from customlabels import pipeline
from customlabels.errors import InvalidInput, ServiceError
from customlabels.operations.access import may_use
from customlabels.operations.dispatch import Call, Response, operation, table
from customlabels.operations.refusals import invalid_parameter, not_found
from customlabels.operations.rows import version_row
from customlabels.storage import ObjectAccessError

ABSENT = ("ExecutionDoesNotExist", "InvalidArn", "ResourceNotFoundException")


@dataclass(frozen=True)
class OwnObjects:
    """Objects in the buckets that the caller may use; those of others cannot be read."""

    call: Call

    def read(self, bucket: str, key: str, *, limit: int | None = None) -> bytes:
        """All bytes; refused, unread, above the limit."""
        self._require(bucket)
        return self.call.parts.objects.read(bucket, key, limit=limit)

    def lines(self, bucket: str, key: str) -> Iterator[bytes]:
        """Line by line."""
        self._require(bucket)
        return self.call.parts.objects.lines(bucket, key)

    def _require(self, bucket: str) -> None:
        if not may_use(self.call, bucket):
            raise ObjectAccessError(f"account {self.call.caller.account} may not use bucket {bucket}")


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
        text = pipeline.report_text(place, OwnObjects(call), as_json=call.params.get("Format") == "JSON")
    except ServiceError as error:
        if error.code in ABSENT:
            raise not_found(str(error)) from error
        raise
    except InvalidInput as error:
        raise invalid_parameter(str(error)) from error
    bucket, key = place.beside("report.html")
    return {"Text": text, "Bucket": bucket, "Key": key}
