"""``python -m thermolang`` is the command line."""

from thermolang.cli import main

main()
