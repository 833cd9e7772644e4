"""What goes wrong inside an execution, in the error names of the States Language.

Failure                    an error with a name and a cause that retriers and catchers look at
    runtime(...)           States.Runtime: a mistake of the definition; nothing catches it
"""

from __future__ import annotations

__all__ = ["Failure", "data_limit", "intrinsic_failure", "runtime"]

MAX_ERROR, MAX_CAUSE = 256, 32_768  # characters that the API's own shapes allow


class Failure(Exception):
    """An error of the States Language on its way to a retrier, a catcher or the end of the execution.

    error, cause: as reported; None where the failing side gave none
    aliases: further names by which `ErrorEquals` finds it
    located: the cause begins with the state and the id of its entered event, which the interpreter adds
    fatal: no retrier or catcher sees it
    """

    def __init__(
        self,
        error: str | None,
        cause: str | None = None,
        *,
        aliases: tuple[str, ...] = (),
        located: bool = False,
        fatal: bool = False,
    ) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = None if error is None else error[:MAX_ERROR]
        self.cause = None if cause is None else cause[:MAX_CAUSE]
        self.aliases, self.located, self.fatal = aliases, located, fatal

    def names(self) -> tuple[str, ...]:
        """Every name that `ErrorEquals` may use for it, wildcards left out."""
        return ((self.error,) if self.error is not None else ()) + self.aliases


def runtime(text: str) -> Failure:
    """States.Runtime with the given text."""
    return Failure("States.Runtime", text, located=True, fatal=True)


def intrinsic_failure(call: str, problem: str) -> Failure:
    """States.IntrinsicFailure of one function call."""
    text = f"The function '{call}' had the following error: {problem}"
    return Failure("States.IntrinsicFailure", text, located=True)


def data_limit(name: str) -> Failure:
    """States.DataLimitExceeded; `name` is the state's, or the task's resource."""
    return Failure(
        "States.DataLimitExceeded",
        f"The state/task '{name}' returned a result with a size exceeding the maximum number of bytes "
        "service limit.",
    )
