"""The command that copies the notebooks."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=Path)
@click.option(
    "--install",
    metavar="SOURCE",
    is_flag=False,
    flag_value="",
    help="A first cell installs the kit where it is missing, as on a hosted service:"
    " this version, or from a wheel, a folder or an address.",
)
@click.option("--replace", is_flag=True, help="Overwrite copies that were changed.")
def notebooks(folder: Path, install: str | None, replace: bool) -> None:
    """Copy the numbered notebooks to FOLDER."""
    from lesionkit.cli.notebook_copies import copy_notebooks

    for path in copy_notebooks(folder, install=install, replace=replace):
        click.echo(path)
