"""`check`: every problem of data that is here, in a bucket, or a dataset of the server.

Layer: cli. A manifest elsewhere is fetched through the S3 port, a dataset's lines through the API; images are
read where they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from customlabels.cli.data import existing, fetched, is_remote, looked_at, told_by_rule
from customlabels.cli.endpoint import Endpoint, connect
from customlabels.cli.exits import Exit
from customlabels.cli.printing import print_json, said_if_long, say, show
from customlabels.datasets import Findings, check
from customlabels.pipeline import S3
from customlabels.settings import Settings
from customlabels.storage import ObjectNotFound


def check_sources(sources: Sequence[str], *, as_json: bool) -> Exit:
    """Print every finding; data with an error is exit code 5."""
    findings = _findings(sources)
    if as_json:
        print_json(findings.as_json())
    else:
        for line in told_by_rule([*findings.errors, *findings.unusable, *findings.warnings]):
            show(line.removeprefix("  "))
        for split in findings.summary:
            background = f" ({split.empty} of them background)" if split.empty else ""
            say(
                f"{split.source}: {split.usable} of {split.lines} images usable{background}, "
                f"{len(split.images_by_label)} labels"
            )
    if findings.errors or findings.unusable:
        if not findings.errors:
            say("`run` refuses these; with --leave-out it trains without what is unusable")
        return Exit.DATA_INVALID
    return Exit.DONE


def _findings(sources: Sequence[str]) -> Findings:
    if not any(map(is_remote, sources)):
        return looked_at([existing(source) for source in sources])
    endpoint = connect(Settings.from_environment())
    with TemporaryDirectory() as folder:
        files = [
            _lines_of(endpoint, source, Path(folder) / f"{number}.manifest")
            if is_remote(source)
            else existing(source)
            for number, source in enumerate(sources)
        ]
        with said_if_long("fetching each image, and looking which are alike"):
            found = check(files, _Images(endpoint.s3))

    def named(text: str) -> str:  # as the user knows the source
        for file, source in zip(files, sources, strict=True):
            text = text.replace(str(file), source)
        return text

    problems = (replace(each, file=named(each.file), message=named(each.message)) for each in found.problems)
    return Findings(
        tuple(problems), tuple(replace(each, source=named(each.source)) for each in found.summary)
    )


class _Images(S3):
    """Images at the endpoint."""

    def read(self, bucket: str, key: str, *, limit: int | None = None) -> bytes:
        """All bytes."""
        data = super().read(bucket, key, limit=limit)
        if data is None:
            raise ObjectNotFound(f"there is no s3://{bucket}/{key}")
        return data


def _lines_of(endpoint: Endpoint, source: str, file: Path) -> Path:
    """The lines of a manifest at s3://, or of a dataset by its ARN, as a file."""
    if source.startswith("s3://"):
        file.write_bytes(fetched(endpoint, source))
    else:
        pages = endpoint.rekognition.get_paginator("list_dataset_entries").paginate(DatasetArn=source)
        file.write_text("".join(f"{line}\n" for page in pages for line in page["DatasetEntries"]))
    return file
