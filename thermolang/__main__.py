"""``python -m thermolang`` is the command line."""

from thermolang.cli.main import main

main()
