"""`python -m customlabels.cli`: how a detached server is started, whatever is on the PATH."""

from customlabels.cli.program import main

main()
