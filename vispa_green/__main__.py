"""``python -m vispa_green``: the command line where its script is not on the path."""

from vispa_green.cli import main

main()
