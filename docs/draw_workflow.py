"""Draw docs/workflow.svg and docs/cleanup.svg from the definitions: `make picture`."""

from pathlib import Path

import yaml

from customlabels.drawing import workflow_svg

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Write the pictures; a test holds them equal to what the definitions draw."""
    for name in ("workflow", "cleanup"):
        text = (HERE.parent / "statemachine" / f"{name}.yaml").read_text(encoding="utf-8")
        (HERE / f"{name}.svg").write_text(workflow_svg(yaml.safe_load(text)), encoding="utf-8")


if __name__ == "__main__":
    main()
