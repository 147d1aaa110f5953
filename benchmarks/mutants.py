"""Which small faults in a room its own fast tests do not see.

Run by hand: `uv run --with cosmic-ray,coverage benchmarks/mutants.py inference 40`. The
faults are cosmic-ray's, so many drawn by a fixed seed; each is planted in a copy of
the checkout, and the tests that run its line are run. Prints a line a fault, and what
changed where none of the tests failed.
"""

from __future__ import annotations

import ast
import difflib
import os
import random
import resource
import shutil
import sys
import tempfile
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path

import pytest
from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import MutationSpec
from coverage import Coverage, CoverageData

ROOT = Path(__file__).parents[1]
LEFT = shutil.ignore_patterns(".*", "__pycache__", "data", "outputs")
SECONDS = 300  # of the processor; a fault that makes a loop endless ends there


def main(room: str, count: int, seed: int, only: str) -> None:
    """Plant so many faults in a room, one after the other, and count what became."""
    with tempfile.TemporaryDirectory() as folder:
        tree = shutil.copytree(ROOT, Path(folder) / "tree", ignore=LEFT)
        os.chdir(tree)
        os.environ["PYTHONPATH"] = str(tree)  # of the commands that tests start
        sys.path.insert(0, str(tree))
        loaded()
        folder = Path("lesionkit", room)
        faults, lines = drawn(folder, count, seed, only), covered(room)
        seen = Counter()
        for spec, mutant in faults:
            source = spec.module_path.read_text()
            spec.module_path.write_text(mutant)
            answer = tested(room, lines, spec)
            spec.module_path.write_text(source)
            seen[answer] += 1
            told = f"{spec.module_path}:{spec.start_pos[0]} {spec.operator_name}"
            print(answer, told, flush=True)
            if answer == "survived":
                both = source.splitlines(), mutant.splitlines()
                changed = list(difflib.unified_diff(*both, n=0, lineterm=""))
                print(*changed[2:], sep="\n")
        print(room, dict(seen))


def loaded() -> None:
    """Import the large libraries once; every test run is a fork that has them."""
    import matplotlib.pyplot  # noqa: F401
    import pandas  # noqa: F401
    import scipy.stats  # noqa: F401
    import sklearn.metrics  # noqa: F401
    import statsmodels.api  # noqa: F401
    import torch  # noqa: F401


def drawn(
    folder: Path, count: int, seed: int, only: str
) -> list[tuple[MutationSpec, str]]:
    """So many faults in the code of a folder, at most one a line: where, and the text.

    What changes nothing but an annotation is none.
    """
    paths = sorted(path for path in folder.rglob("*.py") if only in path.name)
    with use_db(":memory:") as work:
        init(paths, work, {})
        every = [spec for item in work.work_items for spec in item.mutations]
    every.sort(key=lambda s: (s.module_path, s.start_pos, s.operator_name))
    random.Random(seed).shuffle(every)
    found, lines = [], set()
    for spec in every:
        source = spec.module_path.read_text()
        place = (spec.module_path, spec.start_pos[0])
        if len(found) == count or place in lines:
            continue
        operator = get_operator(spec.operator_name)(**spec.operator_args)
        mutant = mutate_code(source, operator, spec.occurrence)
        if mutant and code(mutant) not in ("", code(source)):
            found.append((spec, mutant))
            lines.add(place)
    return found


def code(source: str) -> str:
    """What runs of a module: without annotations; "" where it does not parse."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # `not` before an assignment
        return ""
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            if getattr(node, name, None) is not None:
                setattr(node, name, ast.Name("_"))
    return ast.dump(tree)


class Named:
    """Names what is measured by the test that runs."""

    def __init__(self, measured: Coverage) -> None:
        self.measured = measured

    @pytest.hookimpl
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """The lines from here on are those of this test."""
        self.measured.switch_context(item.nodeid)


def covered(room: str) -> CoverageData:
    """Which tests of a room run which lines; "" for what runs at import."""
    measured = Coverage("covered", include=f"*/lesionkit/{room}/*")
    if not (child := os.fork()):
        measured.start()
        code = pytest.main(["-q", "-n0", "tests/" + room], [Named(measured)])
        measured.stop()
        measured.save()
        os._exit(code)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"the tests of {room} fail without a fault")
    measured.load()
    return measured.get_data()


def tested(room: str, lines: CoverageData, spec: MutationSpec) -> str:
    """`killed` if a fast test that runs the line fails, else `survived`."""
    found = lines.contexts_by_lineno(str(spec.module_path.absolute()))
    first, last = spec.start_pos[0], spec.end_pos[0]
    names = {name for n in range(first, last + 1) for name in found.get(n, ())}
    if not names or "" in names:  # run at import; or a line that is not the first
        names = {f"tests/{room}"}
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        options = ["-x", "-q", "-n0", "-p", "no:cacheprovider"]
        os._exit(pytest.main([*options, *sorted(names)]))
    return (
        "killed" if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) else "survived"
    )


if __name__ == "__main__":
    arguments = ArgumentParser(description=__doc__)
    arguments.add_argument("room", help="such as inference")
    arguments.add_argument("count", type=int, nargs="?", default=40)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--only", default="", help="files with this in their name")
    main(**vars(arguments.parse_args()))
