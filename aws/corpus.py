"""The corpus of seeded faults, and how a fault is put into the application."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from aws.application import Application
from customlabels.errors import InvalidInput

FILE = Path(__file__).with_name("faults.yaml")


@dataclass(frozen=True)
class Fault:
    """An edit: `find` becomes `replace` where it first stands (behind `after`), or `everywhere`.

    step: must find it   words: a pattern that one of its findings matches
    """

    name: str
    file: str
    find: str
    replace: str
    step: str
    words: str
    after: str = ""
    everywhere: bool = False

    def put_into(self, application: Application) -> Application:
        """The application with this fault. Raises InvalidInput where the text is not there to be edited."""
        text = application.files.get(self.file, "")
        start = text.find(self.after)
        place = text.find(self.find, start) if start >= 0 else -1
        if place < 0:
            raise InvalidInput(f"fault {self.name!r}: {self.file} has no {self.find!r} behind {self.after!r}")
        edited = text[:place] + self.replace + text[place + len(self.find) :]
        if self.everywhere:
            edited = text.replace(self.find, self.replace)
        return Application({**application.files, self.file: edited})

    def caught_by(self, findings: list[str]) -> bool:
        """Whether the findings say what is wrong."""
        return any(re.search(self.words, finding) for finding in findings)


def faults() -> list[Fault]:
    """The corpus."""
    return [Fault(**one) for one in yaml.safe_load(FILE.read_text("utf-8"))]
