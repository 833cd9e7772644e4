"""`python -m customlabels.cli`: the command, whatever is on the PATH."""

from customlabels.cli.program import main

main()
