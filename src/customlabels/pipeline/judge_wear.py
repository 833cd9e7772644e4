"""How many versions a test set has judged: told from what runs leave in the output bucket.

Layer: pipeline; numpy at most, as the judge. Every run leaves `PREFIX/PROJECT/VERSION/decision.json`, one
that F1 alone decided as well; the evaluation that it names says by which test set. What was read is noted as
`PREFIX/test-sets/DIGEST/PROJECT/VERSION.json`, and read once. A note that a power cut prevented is made by
whoever asks next.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice

from customlabels.errors import CustomLabelsError
from customlabels.pipeline.judge_documents import Documents
from customlabels.pipeline.judge_objects import Reader

NOTES, SHORT = "test-sets", 32  # folder of notes; letters of a digest in their keys
# Objects under the prefix that are looked through; evaluations that are read at once; bytes of a document.
MOST_KEYS, MOST_READ, MOST_BYTES = 200_000, 200, 32 * 2**20

Version = tuple[str, str]  # names of project and version
Note = Callable[[str, str, bytes], None]  # bucket, key, what to write there


def versions_judged(
    objects: Reader,
    place: tuple[str, str],
    own: Version,
    digest: str,
    note: Note | None = None,
    most: int = MOST_READ,
) -> int:
    """How many versions the test set of `digest` has judged, `own` included, as far as was looked.

    place: output bucket and prefix     note: None where nothing may be written     most: evaluations to read
    """
    bucket, prefix = place
    decided, noted = set[Version](), set[tuple[str, Version]]()
    for key in islice(objects.keys(bucket, f"{prefix}/"), MOST_KEYS):
        match key.removeprefix(f"{prefix}/").split("/"):
            case [project, name, "decision.json"]:
                decided.add((project, name))
            case [folder, told, project, name] if folder == NOTES:
                noted.add((told, (project, name.removesuffix(".json"))))
    read = {own: digest}
    for version in sorted(decided - {version for _, version in noted} - {own}):
        if len(read) <= most and (found := _test_set(objects, bucket, f"{prefix}/{'/'.join(version)}")):
            read[version] = found
    new = {(found[:SHORT], version) for version, found in read.items()} - noted
    if note is not None:
        for told, version in sorted(new):
            text = json.dumps({"Project": version[0], "Version": version[1], "TestSet": read[version]})
            note(bucket, f"{prefix}/{NOTES}/{told}/{'/'.join(version)}.json", text.encode())
    return sum(told == digest[:SHORT] for told, _ in noted | new)


def _test_set(objects: Reader, bucket: str, results: str) -> str | None:
    """The digest of the test set that decided; None where none did, or its evaluation cannot be read."""
    try:
        decision = json.loads(objects.read(bucket, f"{results}/decision.json", limit=MOST_BYTES) or b"{}")
        # A run that failed names no version.
        return Documents.of_version(objects, decision["Version"], MOST_BYTES).recorded().digest
    except (CustomLabelsError, ValueError, LookupError, TypeError):
        return None
