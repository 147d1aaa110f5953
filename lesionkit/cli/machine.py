"""The commands of this machine: copies of the notebooks, and what is wrong here."""

from __future__ import annotations

import json
import shlex
from functools import partial
from pathlib import Path

import click

from lesionkit.cli.console import AS_JSON, answer, fail, option, say
from lesionkit.extras import notebook_folder, version
from lesionkit.records.files import write_bytes

INSTALL = """\
# Installs the kit where it is missing, as on a hosted notebook service; restart the
# kernel afterwards if it asks for that.
import importlib.util, subprocess, sys
if importlib.util.find_spec("lesionkit") is None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", {source!r}]
    subprocess.run(command, check=True)"""


@click.command()
@click.argument("folder", type=Path)
@option(
    "--install",
    metavar="SOURCE",
    is_flag=False,
    flag_value="",
    help="Add a first cell that installs the kit where it is missing, as on a hosted"
    " service: this version, or SOURCE, which is a wheel, a folder or an address.",
)
@option("--replace", is_flag=True, help="Overwrite copies that were changed.")
def notebooks(folder: Path, install: str | None, replace: bool) -> None:
    """Copy the numbered notebooks to FOLDER, to work in without changing the checkout.

    Open them with: uv run jupyter lab FOLDER
    """
    for path in copy_notebooks(folder, install=install, replace=replace):
        click.echo(path)
    say(f"Open them with: uv run jupyter lab {shlex.quote(str(folder))}", err=True)


def copy_notebooks(
    folder: str | Path, *, install: str | None = None, replace: bool = False
) -> list[Path]:
    """The notebooks' copies in a folder; all of them, or none if one is refused.

    A copy that is there and unchanged stays as it is.

    Args:
        folder: made if it is not there.
        install: what pip installs in a first cell of each, where the kit is missing: ""
            for this version, else a wheel, a folder or an address; None: no such cell.
        replace: whether copies that were changed are overwritten.

    Raises:
        NotADirectoryError: the folder is a file.
        FileExistsError: a notebook there has other content.
    """
    folder = Path(folder).expanduser()
    if folder.is_file():
        raise NotADirectoryError(f"{folder} is a file; name a folder")
    copies = {
        folder / source.name: _content(source, install)
        for source in sorted(notebook_folder().glob("0*.ipynb"))
    }
    there = {path: path.read_bytes() for path in copies if path.exists()}
    changed = [path.name for path, found in there.items() if found != copies[path]]
    if changed and not replace:
        raise FileExistsError(
            f"{folder} holds other versions of {', '.join(changed)}; name another"
            " folder or overwrite them with --replace"
        )
    for path, content in copies.items():
        if there.get(path) != content:
            write_bytes(path, content)
    return list(copies)


def _content(source: Path, install: str | None) -> bytes:
    """A notebook's bytes, with the cell that installs in front if it is wanted."""
    if install is None:
        return source.read_bytes()
    notebook = json.loads(source.read_text())
    wanted = install or f"lesionkit=={version()}"
    code = INSTALL.format(source=wanted).splitlines(keepends=True)
    cell = {"cell_type": "code", "execution_count": None, "id": "install"}
    cell |= {"metadata": {}, "outputs": [], "source": code}
    notebook["cells"].insert(0, cell)
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


@click.command()
@AS_JSON
def doctor(as_json: bool) -> None:
    """Check this machine, and say how to correct what is wrong.

    Exit status 1 if something stops the demo; warnings do not.
    """
    from lesionkit import doctor as examination

    sections = []
    report = partial(click.echo, err=True)
    for section in examination.examine(lambda name: report(f"looking at {name} ...")):
        sections.append(section)
        if as_json:
            continue
        click.echo(section.name)
        width = max(map(len, section.facts), default=0)
        for name, value in section.facts.items():
            click.echo(f"  {name:{width}}  {value}")
        click.echo()
    if as_json:
        answer(examination.as_json(sections))
    else:
        found = [finding for section in sections for finding in section.findings]
        for finding in sorted(found, key=lambda f: f.level != "stops"):
            say(f"{finding.level}: {finding.says}")
        if not found:
            click.echo("nothing is wrong")
    if count := len(examination.stops(sections)):
        fail(f"{count} of these stop the demo; correct them and run doctor again", 1)
