"""The one-way walk from room to room, held by reading imports; nothing is run."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "lesionkit"
# A room imports only rooms that stand before it. The first four are files.
ROOMS = """
lookup extras masks progress catalogue config records losses metrics models datasets
prepared splits inspection training engines sweeps published tables inference papers
figures thresholds pages export doctor cli
""".split()
FILES = {
    "lookup",
    "extras",
    "masks",
    "progress",
}  # at the root of the package, beside __init__
LATE = {"", "cli"}  # they import inside functions, so that --help loads nothing
FREE_OF_TORCH = """
lookup extras progress catalogue config records datasets prepared splits inspection
engines sweeps published tables inference papers pages doctor
""".split()
# The files of these rooms that need it all the same.
TORCH = {"prepared.loading", "engines.worker", "engines.ray", "engines.slurm_task"}
TORCH |= {"papers.paper_b", "doctor.probe"}
TENSORS_ONLY = ("losses", "masks", "metrics", "models")
NEIGHBOURS = {("metrics.conventions", "masks")}  # scores what each threshold marks
# Who alone imports a library; a room stands for all its files.
SOLE = {
    "matplotlib": {"figures", "thresholds"},
    "ipywidgets": {"thresholds"},
    "papermill": {"engines.local"},
    "ray": {"engines"},
    "psutil": {"engines", "prepared.memory"},
    "sklearn": {"inspection.colour"},
    "statsmodels": {"inference.rank_tests"},
    "baycomp": {"inference.rank_tests"},
    "jinja2": {"pages.templates"},
    "pydicom": {"datasets.dicom"},
    "tifffile": {"datasets.pictures.images"},
    "PIL": {"datasets", "figures.pixels", "thresholds.panels"},
    "timm": {"models"},
    "segmentation_models_pytorch": {"models", "losses.libraries"},
    "torchvision": {"models", "training.augmentation", "doctor.probe"},
    "fsspec": {"records.stores"},
    "requests": {"datasets.fetching"},
    "filelock": {"records.locks"},
    "mlflow": {"records.trackers"},
    "tensorboard": {"records.trackers"},
    "monai": {"metrics.boundary", "losses.libraries"},
    "onnx": {"export"},
    "onnxruntime": {"export"},
    "onnxscript": {"export"},
}


def dotted(path: Path) -> str:
    """The name of a file below lesionkit; a package by its own name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {dotted(p): p for p in sorted(PACKAGE.rglob("*.py"))}


@functools.cache
def tree_of(name: str) -> ast.Module:
    return ast.parse(SOURCES[name].read_text())


@functools.cache
def imported(name: str) -> frozenset[str]:
    """Full dotted names that a file imports, anywhere in it but for type checkers."""
    found = set()
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


@functools.cache
def ours(name: str) -> frozenset[str]:
    """Files of lesionkit that a file imports, the most exact ones."""
    found = set()
    for full in imported(name):
        inside = full.removeprefix("lesionkit.")
        if full.startswith("lesionkit."):
            found.add(inside if inside in SOURCES else inside.rpartition(".")[0])
    return frozenset(found - {name})


def room_of(name: str) -> str:
    return name.partition(".")[0]


def reached(name: str) -> set[str]:
    """Files of lesionkit that an import of this one brings in, with their packages."""
    found: set[str] = set()
    waiting = {name}
    while waiting:
        here = waiting.pop()
        found.add(here)
        above = here.rpartition(".")[0]
        waiting |= (ours(here) | ({above} if above else set())) - found
    return found - {""}


def public(room: str) -> set[str]:
    """What a room's first page lists as its public names and files."""
    for node in tree_of(room).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def allowed(name: str, places: set[str]) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def test_every_room_stands_in_the_walk_and_nothing_else() -> None:
    assert {room_of(name) for name in SOURCES} - {""} == set(ROOMS)
    assert {p.stem for p in PACKAGE.glob("*.py")} == FILES | {"__init__"}


def test_a_room_imports_only_rooms_before_it() -> None:
    back = [
        (name, other)
        for name in SOURCES
        if room_of(name) not in LATE
        for other in ours(name)
        if other == "" or ROOMS.index(room_of(other)) > ROOMS.index(room_of(name))
    ]
    assert back == []


def test_no_file_comes_back_to_itself() -> None:
    late = {name for name in SOURCES if room_of(name) in LATE}
    circles = []
    for name in SOURCES.keys() - late:
        beyond = set().union(*(chain(other) for other in ours(name)))
        if name in beyond:
            circles.append(name)
    assert circles == []


@functools.cache
def chain(name: str) -> frozenset[str]:
    """What a file imports, and what that imports; packages above left out."""
    found: set[str] = set()
    waiting = {name}
    while waiting:
        here = waiting.pop()
        found.add(here)
        waiting |= ours(here) - found
    return frozenset(found)


def test_a_room_is_entered_by_what_its_first_page_lists() -> None:
    unlisted = []
    for name in SOURCES:
        for full in imported(name):
            kit, _, inside = full.partition(".")
            room, _, rest = inside.partition(".")
            if kit != "lesionkit" or room in FILES or room == room_of(name):
                continue
            if name and rest and rest.partition(".")[0] not in public(room):
                unlisted.append((name, full))
    assert unlisted == []


def test_what_a_first_page_lists_is_there() -> None:
    missing = []
    for room in set(ROOMS) - FILES:
        there = {n.split(".")[1] for n in SOURCES if n.startswith(f"{room}.")}
        for node in ast.walk(tree_of(room)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                there.add(node.name)
            if isinstance(node, ast.Assign):
                names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
                there |= {n.id for n in names}
            if isinstance(node, ast.ImportFrom):
                there |= {alias.asname or alias.name for alias in node.names}
        missing += [(room, name) for name in public(room) - there]
    assert missing == []


def test_a_first_page_begins_with_what_the_room_is() -> None:
    said = {room: ast.get_docstring(tree_of(room)) or "" for room in ROOMS}
    short = [room for room, text in said.items() if len(text.split()) < 15]
    assert set(short) <= FILES


def test_a_room_has_at_most_fifteen_files() -> None:
    folders = {p.parent for p in SOURCES.values()} - {PACKAGE / "models"}
    counts = {str(f.relative_to(PACKAGE)): len(list(f.glob("*.py"))) for f in folders}
    assert {name: n for name, n in counts.items() if n > 15} == {}


def test_a_library_has_its_sole_importers() -> None:
    others = {
        (name, library)
        for library, places in SOLE.items()
        for name in SOURCES
        if any(full.partition(".")[0] == library for full in imported(name))
        and not allowed(name, places)
    }
    assert others == set()


def test_torch_stays_in_its_rooms() -> None:
    brings = {}
    for name in SOURCES.keys() - TORCH:
        if room_of(name) in FREE_OF_TORCH and (found := torch_in(name)):
            brings[name] = found
    assert brings == {}


def torch_in(name: str) -> set[str]:
    """Through which files a file brings torch in."""
    return {
        file
        for file in reached(name)
        if {full.partition(".")[0] for full in imported(file)}
        & {"torch", "torchvision", "timm"}
    }


def test_what_takes_tensors_knows_no_config_and_no_neighbour() -> None:
    others = {"config", "records", "prepared", *TENSORS_ONLY}
    known = {
        (name, file)
        for name in SOURCES
        if room_of(name) in TENSORS_ONLY
        for file in reached(name)
        if room_of(file) in others - {room_of(name)}
    }
    assert known - NEIGHBOURS == set()


def test_training_writes_no_file_and_knows_no_data_set_name() -> None:
    written = {"records.runs", "training.experiment", "prepared.preparing"}
    room = {name for name in reached("training.loop") if room_of(name) == "training"}
    for name in room - {"training"}:  # the first page finds finished runs
        assert ours(name) & written == set()
    assert "open(" not in SOURCES["training.loop"].read_text()


def test_only_datasets_know_the_raw_folder() -> None:
    users = {name for name, path in SOURCES.items() if '"raw"' in path.read_text()}
    # the last ones say which folders there are
    told = {"config.places", "cli", "doctor.places"}
    assert users <= {"prepared.preparing", "datasets.fetching"} | told


def test_only_these_write_below_data() -> None:
    writers = {name for name in SOURCES if "records.files" in ours(name)}
    below = {"prepared", "splits", "records", "datasets", "engines"}
    asked = {"thresholds", "figures", "pages", "export", "cli"}  # where the user says
    assert {room_of(name) for name in writers} <= below | asked


def test_no_file_checks_with_assert() -> None:
    found = [
        (name, node.lineno)
        for name in SOURCES
        for node in ast.walk(tree_of(name))
        if isinstance(node, ast.Assert)
    ]
    assert found == []
