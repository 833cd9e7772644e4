"""`report`: why a run was decided as it was, as one HTML file or as JSON; here, or of a run on AWS.

Layer: cli. The home's server composes the report of its own runs; that of a run elsewhere is composed here,
by the same code, from the objects in its output bucket.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from customlabels.cli.data import OUTPUT_BUCKET
from customlabels.cli.exits import Exit, UsageError
from customlabels.cli.places import Elsewhere, Place, Reached
from customlabels.cli.printing import say, show
from customlabels.errors import InvalidInput
from customlabels.pipeline import S3, place_of, report_text
from customlabels.pipeline import Place as Results


def show_report(run: str, place: Place, to: Path | None, *, open_it: bool, as_json: bool) -> Exit:
    """Write the report and say where it is; as JSON it goes to stdout, unless a file is named."""
    reached = place.reach()
    text, beside = _composed(reached, reached.execution_arn(run), as_json=as_json)
    if as_json and to is None:
        show(text)
        return Exit.DONE
    file = _written(text, to or beside or Path(f"report-{run.rpartition(':')[2].replace('/', '-')}.html"))
    show(str(file))
    if open_it:
        import webbrowser

        if not webbrowser.open(file.as_uri()):
            say(f"no browser can be opened here; open {file.as_uri()}")
    return Exit.DONE


def written_report(reached: Reached, arn: str) -> str:
    """The address of a run's report that was written beside its results; empty, and said why, where not.

    Of a run elsewhere nothing is read nor written unasked.
    """
    if isinstance(reached, Elsewhere):
        return ""
    try:
        text, beside = _composed(reached, arn, as_json=False)
        return "" if beside is None else _written(text, beside).as_uri()
    except (ClientError, BotoCoreError, UsageError) as error:
        # The run has ended well or ill: a page about it is an extra.
        say(f"no report: {error}")
        return ""


def _composed(reached: Reached, arn: str, *, as_json: bool) -> tuple[str, Path | None]:
    """The text, and the file among the results on this machine."""
    if isinstance(reached, Elsewhere):
        place = place_of(lambda *call: _asked(reached, *call), arn)
        objects = S3(reached.s3)
        text = report_text(place, objects, as_json=as_json)
        if not as_json:
            _put_beside(objects, place, text)
        return text, None
    member = "ExecutionArn" if ":execution:" in arn else "ProjectVersionArn"
    told = reached.customlabels.get_report(**{member: arn, "Format": "JSON" if as_json else "HTML"})
    ours = told["Bucket"] == OUTPUT_BUCKET
    return told["Text"], reached.settings.output_folder / told["Key"] if ours else None


def _put_beside(objects: S3, place: Results, text: str) -> None:
    """Put the page where the run's `Report` says that it is; whoever may only read has it on this machine."""
    bucket, key = place.beside("report.html")
    try:
        objects.write(bucket, key, text.encode())
    except InvalidInput as error:
        say(f"the page was not put beside the results: {error}")


def _written(text: str, file: Path) -> Path:
    part = file.with_name(f"{file.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written: {error.strerror}; name another file with --to"
        ) from error
    return file.absolute()


def _asked(reached: Elsewhere, service: str, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
    client = reached.states if service == "stepfunctions" else reached.rekognition
    answer: Mapping[str, Any] = getattr(client, xform_name(operation))(**params)
    return answer
