"""python -m opu."""

from opu.cli import main

main()
