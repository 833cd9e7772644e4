"""parliament's opinion of rendered policies. Runs in the tools' environment.

python policies.py < {name: policy document}     prints {name: [finding]}, both as JSON
"""

import json
import sys

from parliament import analyze_policy_string, enhance_finding


def findings(document: dict) -> list[str]:  # type: ignore[type-arg]
    """What parliament finds in one policy, worth its severity."""
    found = (enhance_finding(one) for one in analyze_policy_string(json.dumps(document)).findings)
    return [f"{one.issue}: {one.title} {one.detail}" for one in found if one.severity != "MUTED"]


if __name__ == "__main__":
    json.dump({name: findings(document) for name, document in json.load(sys.stdin).items()}, sys.stdout)
