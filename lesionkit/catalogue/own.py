"""A loss or network of one's own: FILE.py:NAME, or module.of.a.library:NAME.

Here a name becomes an entry, and a file its hash; no code of it runs. `load` runs it,
which only training, checking and predicting ask for.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.metadata import packages_distributions, version
from inspect import isclass, isfunction, signature
from pathlib import Path
from types import ModuleType
from typing import Any

from lesionkit.catalogue.losses import LOSSES, LossEntry
from lesionkit.catalogue.networks import MODELS, ModelEntry, Variant
from lesionkit.lookup import Refused, UnknownName, find, nearest, one_line

VARIANT = "own"
DIGITS = 16  # of the SHA-256 of a file, in a run's identity


@dataclass(frozen=True)
class Reference:
    """Where a loss or network of one's own is.

    Attributes:
        name: as records and tables have it, "my_losses.py:MyLoss".
        attribute: the name in the file or module.
        file: absolute; None for a module.
        module: dotted; "" for a file.
    """

    name: str
    attribute: str
    file: Path | None
    module: str


def is_own(name: object) -> bool:
    """Whether a name is one's own: it has a colon, which none of the kit's has."""
    return isinstance(name, str) and ":" in name


def reference(kind: str, name: str, file: str | None = None) -> Reference:
    """What a name with a colon stands for.

    Args:
        kind: "loss" or "model", for the text of an error.
        name: "FILE.py:NAME" or "module:NAME"; a file may have folders before it.
        file: where the file lies, if that is known; else it is as `name` says.

    Raises:
        ValueError: not of one of these forms.
    """
    place, _, attribute = name.rpartition(":")
    if not place or not attribute.isidentifier():
        raise ValueError(
            f"{kind} {name!r} must be FILE.py:NAME, such as my_losses.py:MyLoss, or "
            "a module and a name in it, such as monai.losses:TverskyLoss"
        )
    if place.endswith(".py"):
        path = Path(file or place).expanduser().absolute()
        return Reference(f"{Path(place).name}:{attribute}", attribute, path, "")
    if not all(part.isidentifier() for part in place.split(".")):
        raise ValueError(
            f"{kind} {name!r}: {place!r} is neither a .py file nor a module"
        )
    return Reference(name, attribute, None, place)


def code_of(kind: str, own: Reference) -> str:
    """What tells one version of the code from another; it is part of a run's identity.

    Of a file the first digits of its SHA-256; of a library its name and version.

    Raises:
        FileNotFoundError: no such file.
        ModuleNotFoundError: the library is not installed.
    """
    if own.file is not None:
        if not own.file.is_file():
            raise FileNotFoundError(_no_file(kind, own.file))
        return sha256(own.file.read_bytes()).hexdigest()[:DIGITS]
    top = own.module.partition(".")[0]
    libraries = _libraries().get(top)
    if not libraries:
        raise ModuleNotFoundError(
            f"{kind} {own.name}: no installed library has {top!r}; of a file of your "
            f"own write {top}.py:{own.attribute}"
        )
    return f"{libraries[0]} {version(libraries[0])}"


@cache
def _libraries() -> Mapping[str, list[str]]:
    """Importable name to the libraries that have it."""
    return packages_distributions()


def _no_file(kind: str, path: Path) -> str:
    """The line for a file that is not there."""
    there = [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
    near = nearest(path.name, there)
    return f"{kind}: no file {path}" + (f". Did you mean {near}?" if near else "")


def load(kind: str, own: Reference, code: str | None = None) -> Any:
    """The object itself. This runs the file.

    Args:
        code: what `code_of` gave when the run was described; refused is another.

    Raises:
        FileNotFoundError: no such file.
        ImportError: a library that is not installed.
        UnknownName: the file or library has no such name.
        Refused: the file cannot be run.
        ValueError: the file changed.
    """
    found = code_of(kind, own)
    if code not in (None, found):
        raise ValueError(f"{own.name} is {found} here, and the run is of {code}")
    module = _run(own.file, found) if own.file else import_module(own.module)
    if not hasattr(module, own.attribute):
        public = [name for name in vars(module) if name[0] != "_"]
        near = nearest(own.attribute, public)
        hint = f" Did you mean {near!r}?" if near else ""
        place = own.file or own.module
        raise UnknownName(f"{place} has no {own.attribute!r}.{hint}")
    return getattr(module, own.attribute)


def _run(file: Path, code: str) -> Any:
    """The file as a module of its own name for each content."""
    name = f"lesionkit_own_{file.stem}_{code}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = str(file)
    sys.modules[name] = module
    sys.path.insert(0, str(file.parent))  # for what it imports beside itself
    try:
        # not by the import system, whose cache takes an edit within a second for none
        exec(compile(file.read_bytes(), file, "exec"), vars(module))
    except Exception as error:
        del sys.modules[name]
        said = f"{type(error).__name__}: {one_line(error)}"
        raise Refused(f"{file} cannot be run: {said}") from error
    finally:
        sys.path.remove(str(file.parent))
    return module


def made(kind: str, own: Reference, found: Any, options: Mapping[str, Any]) -> Any:
    """An object of a class with these options; a function as it is.

    Raises:
        UnknownName: an option that it does not take.
        Refused: it cannot be made with them.
    """
    known = _parameters(found)
    if known is not None:
        for name in options:
            find(f"option of {own.name}", name, known)
    try:
        return found(**options)
    except Exception as error:
        said = f"{type(error).__name__}: {one_line(error)}"
        listed = ", ".join(known) if known else "none that can be told"
        raise Refused(
            f"{own.name} cannot be made with {kind}_options {dict(options)}: {said}. "
            f"Its options: {listed}"
        ) from error


def _parameters(found: Any) -> dict[str, Any] | None:
    """The options that it takes by name; None if any or unknown ones."""
    try:
        listed = signature(found).parameters
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_KEYWORD for p in listed.values()):
        return None
    return dict(listed)


def takes(found: Any, name: str) -> bool:
    """Whether a class or function has a parameter of that name."""
    return name in (_parameters(found) or {})


def is_function(found: Any) -> bool:
    """Whether it is a function and no class."""
    return isfunction(found) and not isclass(found)


def find_loss(name: str) -> LossEntry:
    """The entry of a loss of the kit, or one for a loss of one's own.

    Raises:
        UnknownName: no such name.
    """
    if is_own(name):
        return LossEntry(name, "own", name)
    return _found("loss", name, LOSSES)


def find_model(name: str) -> ModelEntry:
    """The entry of a network of the kit, or one for a network of one's own.

    Raises:
        UnknownName: no such name.
    """
    if is_own(name):
        variants = {VARIANT: Variant(0, 0.0)}
        return ModelEntry(name, name, "own", 0, name, "yours", variants)
    return _found("model", name, MODELS)


def _found(kind: str, name: object, table: Mapping[str, Any]) -> Any:
    """The entry of a name; a file without the name of the class in it is refused."""
    if isinstance(name, str) and name.endswith(".py"):
        raise UnknownName(
            f"{kind} {name!r} is a file: add the name of the class in it, {name}:NAME"
        )
    return find(kind, name, table)


def with_file(name: str, file: str | None) -> str:
    """The name of one's own loss or network with the path of its file."""
    return f"{file}:{name.rpartition(':')[2]}" if file else name


def titled(name: str, options: Mapping[str, Any] | None) -> str:
    """A name with its options, as tables show it: `tversky(fp=0.5)`."""
    if not options:
        return name
    return f"{name}({', '.join(f'{key}={value}' for key, value in options.items())})"
