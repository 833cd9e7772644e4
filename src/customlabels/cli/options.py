"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Json", "Machine", "Profile", "Region", "Run", "Stack", "Target", "Url"]

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Run = Annotated[str, typer.Argument(help="A run's name or execution ARN.")]
Target = Annotated[str, typer.Argument(help="A project, PROJECT/VERSION or an ARN.")]
Url = Annotated[str, typer.Option("--endpoint-url", help="Another Step Functions endpoint.")]
Profile = Annotated[str, typer.Option(help="AWS, with this profile.")]
Region = Annotated[str, typer.Option(help="AWS, in this region.")]
Stack = Annotated[str, typer.Option("--stack-name", help="AWS, the pipeline of this stack.")]
Machine = Annotated[str, typer.Option("--state-machine-arn", help="AWS, this state machine.")]
