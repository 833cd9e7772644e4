"""Draw docs/workflow.svg from statemachine/workflow.yaml: `make picture`."""

from pathlib import Path

import yaml

from customlabels.drawing import workflow_svg

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Write the picture; a test holds it equal to what the definition draws."""
    definition = yaml.safe_load((HERE.parent / "statemachine" / "workflow.yaml").read_text(encoding="utf-8"))
    (HERE / "workflow.svg").write_text(workflow_svg(definition), encoding="utf-8")


if __name__ == "__main__":
    main()
