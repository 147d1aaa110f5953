"""`python -m lesionkit.cli`, where no script of that name is installed."""

from lesionkit.cli import main

main()
