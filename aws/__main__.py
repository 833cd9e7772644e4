"""Run the gate and print what it found: `python -m aws [STEP...] [--all]`."""

import sys

from aws.steps import STEPS, run_steps


def main(words: list[str]) -> int:
    """0 where nothing was found and every seeded fault was; with --all a skipped step is a failure too."""
    names = [word for word in words if word != "--all"]
    unknown = set(names) - {step.name for step in STEPS}
    if unknown:
        print(f"no step {', '.join(sorted(unknown))}; there are {', '.join(step.name for step in STEPS)}")
        return 2
    wrong = caught = seeded = 0
    for result in run_steps(names):
        if result.skipped:
            print(f"{result.step:14} SKIPPED: {result.skipped}", flush=True)
            wrong += "--all" in words
            continue
        caught += len(result.caught)
        seeded += len(result.caught) + len(result.missed)
        wrong += len(result.found) + len(result.missed)
        total = len(result.caught) + len(result.missed)
        said = "ok" if not result.found else f"{len(result.found)} found"
        print(
            f"{result.step:14} {said:10} faults {len(result.caught)}/{total}  {result.seconds:5.1f} s",
            flush=True,
        )
        for finding in result.found:
            print(f"    {finding}")
        for missed in result.missed:
            print(f"    NOT CAUGHT {missed}")
    print(f"seeded faults caught: {caught} of {seeded}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
