"""``python -m alchemiser_cli``."""

from alchemiser_cli.app import main

main()
