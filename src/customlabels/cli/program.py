"""Every command's arguments, and the one place where an error becomes a message and an exit code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from customlabels import __version__
from customlabels.cli import actions
from customlabels.cli.backbones import backbone as backbones
from customlabels.cli.dataset_commands import dataset
from customlabels.cli.durations import seconds_of
from customlabels.cli.execution_commands import execution, verify
from customlabels.cli.exits import AFTER_REFUSAL, WITHOUT_CREDENTIALS, Exit
from customlabels.cli.ledger_commands import history, rollback
from customlabels.cli.options import Json, Target, amount, flag, text
from customlabels.cli.run_commands import approve, follow, plan, redrive, refuse, report, run, status, stop
from customlabels.cli.serving_commands import export, promote, shadow, start
from customlabels.errors import CustomLabelsError, InvalidInput
from customlabels.settings import Settings

app = typer.Typer(
    name="customlabels",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
bucket = typer.Typer(
    no_args_is_help=True, help="Folders that are reached as s3://NAME/...", rich_markup_mode=None
)
app.add_typer(bucket, name="bucket")
app.add_typer(backbones, name="backbone")
app.add_typer(dataset, name="dataset")
app.add_typer(execution, name="execution")
for command in (
    *(plan, run, follow, status, report, stop, redrive, approve, refuse),
    *(verify, history, rollback),
    *(start, shadow, promote, export),
):
    app.command()(command)


def main() -> NoReturn:
    """Run the command line; never a traceback for a user's mistake."""
    try:
        app(prog_name="customlabels", standalone_mode=True)
        sys.exit(Exit.DONE)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output went away: nobody to tell
        sys.exit(Exit.FAILED)
    except CustomLabelsError as error:
        print(f"customlabels: {error}", file=sys.stderr)
        usual = Exit.USAGE if isinstance(error, InvalidInput) else Exit.FAILED
        sys.exit(getattr(error, "exit_code", usual))
    except Exception as error:
        _refused_by_service(error)
        raise


def _refused_by_service(error: Exception) -> None:
    """End with the service's own words where `error` came from boto3; return where it did not."""
    from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

    if isinstance(error, ClientError):
        answer = error.response.get("Error", {})
        advice = "; sign in again, or name another --profile" if "Expired" in answer.get("Code", "") else ""
        print(f"customlabels: {answer.get('Code')}: {answer.get('Message')}{advice}", file=sys.stderr)
        sys.exit(AFTER_REFUSAL.get(answer.get("Code", ""), Exit.FAILED))
    if isinstance(error, ParamValidationError):
        print(f"customlabels: {error}", file=sys.stderr)
        sys.exit(Exit.USAGE)
    if isinstance(error, BotoCoreError):
        advice = WITHOUT_CREDENTIALS.get(type(error).__name__, "")
        text = f"{error}; {advice}" if advice else f"the server does not answer: {error}"
        print(f"customlabels: {text}", file=sys.stderr)
        sys.exit(Exit.NO_ENDPOINT)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"customlabels {__version__}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train, judge and serve image models behind the Rekognition Custom Labels API."""


@app.command()
def reproduce(
    target: Annotated[str, typer.Argument(help="A project (its newest version), PROJECT/VERSION or an ARN.")],
    as_json: Json = False,
) -> None:
    """Train a version again, and say whether it comes out the same to the bit."""
    raise typer.Exit(actions.reproduce_version(target, as_json=as_json))


@app.command()
def detect(
    model: Target,
    images: Annotated[list[Path], typer.Argument(help="JPEG or PNG files.")],
    min_confidence: Annotated[
        float | None, amount("Percent; default: each label's threshold.", "PERCENT", most=100)
    ] = None,
    max_results: Annotated[int | None, amount("At most this many labels an image.", "COUNT")] = None,
    as_json: Json = False,
) -> None:
    """Ask a running model for the labels of images."""
    raise typer.Exit(actions.detect_images(model, images, min_confidence, max_results, as_json=as_json))


@app.command()
def check(
    sources: Annotated[list[str], typer.Argument(help="Training data, then test data.")],
    as_json: Json = False,
) -> None:
    """Every problem of the data at once, before anything costs time."""
    raise typer.Exit(actions.check_sources(sources, as_json=as_json))


@app.command()
def sample(
    name: Annotated[
        str, typer.Argument(help="digits (a label an image), labels (several an image) or boxes.")
    ],
    to: Annotated[Path, text("The folder to make.", "DIR")],
    as_json: Json = False,
) -> None:
    """Write a data set to try things with."""
    raise typer.Exit(actions.write_sample(name, to, as_json=as_json))


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    functions: Annotated[
        Path | None, typer.Option(help="A Python file: its functions answer `lambda:invoke` tasks.")
    ] = None,
    mocks: Annotated[
        Path | None,
        typer.Option(
            help="Answers for Task states by test case: a mock configuration of Step Functions Local."
        ),
    ] = None,
    idle_stop: Annotated[
        str | None, text("Stop models after so long without a request: 30m.", "TIME")
    ] = None,
    log_json: Annotated[bool, flag("--log-json", "Log JSON lines, one a request too.")] = False,
) -> None:
    """Serve the API and the console in the foreground."""
    settings = Settings.from_environment(
        host=host,
        port=port,
        functions_file=functions,
        mock_file=mocks,
        idle_stop_seconds=seconds_of(idle_stop) if idle_stop else None,
        log_json=log_json or None,
    )
    actions.serve_home(settings, detached=False)


@app.command()
def down(as_json: Json = False) -> None:
    """End the server of this home, and say what it stopped."""
    raise typer.Exit(actions.take_down(as_json=as_json))


@app.command()
def delete(
    project: Annotated[str, typer.Argument(help="The project's name.")],
    yes: Annotated[bool, flag("--yes", "Do not ask for the name again.")] = False,
    as_json: Json = False,
) -> None:
    """Delete a project with its versions and datasets; nothing of it comes back."""
    raise typer.Exit(actions.delete_project(project, yes=yes, as_json=as_json))


@bucket.command("add")
def bucket_add(name: str, folder: Path) -> None:
    """Register a folder as a bucket; its files stay where they are."""
    raise typer.Exit(actions.add_bucket(name, folder))


@bucket.command("list")
def bucket_list(as_json: Json = False) -> None:
    """The registered buckets."""
    raise typer.Exit(actions.list_buckets(as_json=as_json))


@bucket.command("remove")
def bucket_remove(name: str) -> None:
    """Forget a bucket; its files stay."""
    raise typer.Exit(actions.remove_bucket(name))
