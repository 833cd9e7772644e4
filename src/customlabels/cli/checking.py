"""`check`: every problem of data that is here, in a bucket, or a dataset of the server.

Layer: cli. A manifest elsewhere is fetched through the S3 port, a dataset's lines through the API; images are
read where they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from customlabels.cli.data import existing, is_remote, told_by_rule
from customlabels.cli.endpoint import Endpoint, connect
from customlabels.cli.exits import Exit
from customlabels.cli.printing import print_json, say, show
from customlabels.cli.reporting import Objects
from customlabels.datasets import Findings, check, split_ref
from customlabels.settings import Settings

__all__ = ["check_sources"]


def check_sources(sources: Sequence[str], *, as_json: bool) -> Exit:
    """Print every finding; data with an error is exit code 5."""
    findings = _findings(sources)
    if as_json:
        print_json(findings.as_json())
    else:
        for line in told_by_rule([*findings.errors, *findings.unusable, *findings.warnings]):
            show(line.removeprefix("  "))
        for split in findings.summary:
            say(
                f"{split.source}: {split.usable} of {split.lines} images usable, "
                f"{len(split.images_by_label)} labels"
            )
    if findings.errors or findings.unusable:
        if not findings.errors:
            say("`run` refuses these; with --leave-out it trains without what is unusable")
        return Exit.DATA_INVALID
    return Exit.DONE


def _findings(sources: Sequence[str]) -> Findings:
    if not any(map(is_remote, sources)):
        return check([existing(source) for source in sources])
    endpoint = connect(Settings.from_environment())
    with TemporaryDirectory() as folder:
        named = {
            _fetched(endpoint, source, Path(folder) / f"{number}.manifest")
            if is_remote(source)
            else existing(source): source
            for number, source in enumerate(sources)
        }
        found = check(list(named), Objects(endpoint.s3))
    told = {str(path): source for path, source in named.items()}

    def as_named(text: str) -> str:
        for path, source in told.items():
            text = text.replace(path, source)
        return text

    return Findings(
        tuple(
            replace(each, file=as_named(each.file), message=as_named(each.message)) for each in found.problems
        ),
        tuple(replace(each, source=as_named(each.source)) for each in found.summary),
    )


def _fetched(endpoint: Endpoint, source: str, file: Path) -> Path:
    """The lines of a manifest at s3://, or of a dataset by its ARN, as a file."""
    if source.startswith("s3://"):
        bucket, key = split_ref(source)
        file.write_bytes(endpoint.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        return file
    pages = endpoint.rekognition.get_paginator("list_dataset_entries").paginate(DatasetArn=source)
    file.write_text("".join(f"{line}\n" for page in pages for line in page["DatasetEntries"]))
    return file
