"""What goes wrong inside an execution, in the error names of the States Language."""

MAX_ERROR, MAX_CAUSE = 256, 32_768  # characters that the API's own shapes allow


class Failure(Exception):
    """An error of the States Language on its way to a retrier, a catcher or the end of the execution.

    error, cause: as reported; None where the failing side gave none
    alias: another name by which `ErrorEquals` finds it
    located: the cause begins with the state and the id of its entered event, which the interpreter adds
    fatal: no retrier or catcher sees it
    query: it is a JSONata expression that failed, which is an event of its own; field: where it stands
    """

    def __init__(
        self,
        error: str | None,
        cause: str | None = None,
        *,
        alias: str | None = None,
        located: bool = False,
        fatal: bool = False,
        query: bool = False,
        field: str | None = None,
    ) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error and _writable(error[:MAX_ERROR])
        self.cause = cause and _writable(cause[:MAX_CAUSE])
        self.alias, self.located, self.fatal = alias, located, fatal
        self.query, self.field = query, field


def _writable(text: str) -> str:
    """The text without half characters, which a JSON input can name and nothing can write down."""
    return text.encode("utf-8", "replace").decode()


def runtime(text: str) -> Failure:
    """States.Runtime with the given text: a mistake of the definition, which nothing catches."""
    return Failure("States.Runtime", text, located=True, fatal=True)


def query_failure(text: str, field: str | None) -> Failure:
    """States.QueryEvaluationError of an expression in that field, or of a value that has none."""
    return Failure("States.QueryEvaluationError", text, located=True, query=True, field=field)


def intrinsic_failure(call: str, problem: str) -> Failure:
    """States.IntrinsicFailure of one function call."""
    text = f"The function '{call}' had the following error: {problem}"
    return Failure("States.IntrinsicFailure", text, located=True)


def data_limit(name: str) -> Failure:
    """States.DataLimitExceeded; `name` is the state's, or the task's resource."""
    size = "a size exceeding the maximum number of bytes service limit"
    return Failure("States.DataLimitExceeded", f"The state/task '{name}' returned a result with {size}.")
