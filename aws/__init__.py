"""The offline gate of the AWS application: what can be known of a deployment without an account.

    python -m aws            every step, and every seeded fault
    python -m aws contract   the steps that need no tools, on the files as they are

`steps` says which step looks at what. A step gets the application's files and gives findings; none is good.
The corpus in `faults.yaml` holds edits of those files, each of which one named step must find.
"""
