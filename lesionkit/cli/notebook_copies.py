"""The numbered notebooks, copied to where a user works."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lesionkit.extras import notebook_folder
from lesionkit.records.files import write_bytes

INSTALL = """\
# Installs the kit where it is missing, as on a hosted notebook service; restart the
# kernel afterwards if it asks for that.
import importlib.util, subprocess, sys
if importlib.util.find_spec("lesionkit") is None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", {source!r}]
    subprocess.run(command, check=True)"""


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
    wanted = install or f"lesionkit=={version('lesionkit')}"
    notebook["cells"].insert(0, _cell(INSTALL.format(source=wanted)))
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def _cell(code: str) -> dict[str, Any]:
    """A code cell without outputs."""
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": "install",
        "metadata": {},
        "outputs": [],
        "source": code.splitlines(keepends=True),
    }
