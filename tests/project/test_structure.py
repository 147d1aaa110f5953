"""The one-way walk, held by reading imports; nothing is run."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "lesionkit"

# A module imports only modules that stand before it.
WALK = """
lookup
catalogue.losses catalogue.networks catalogue.datasets catalogue
catalogue.publishers
parameters protocols combinations config resolved extras disks files stores mirror
records locks leases runs remote prepared
datasets.images datasets.resizing datasets.facts datasets.samples datasets.staging
datasets.pairs
datasets.kvasir datasets.clinicdb datasets.isic2017 datasets.wound datasets.busi
datasets.toy datasets.own_files datasets.own_rules datasets.folder
datasets.dicom_files datasets.dicom_headers datasets.dicom
datasets.ct_grid datasets.ct_masks
datasets.lungct datasets.lidc datasets.ct_phantom datasets.preparing datasets.telling
datasets.archives datasets.rar datasets.downloading datasets.checksums datasets.fetching
duplicates splits leakage loading
models.blocks models.encoders models.reverse_attention
models.fcn models.deeplabv3plus models.unet models.unetplusplus
models.colonsegnet models.fatnet models.fcbformer models.colonformer models.caranet
models.esfpnet models.ducknet models.emcadnet models.segnet models.enet models
pixels losses loss_study loss_libraries masks metrics lesions
streaming calibration boundary conventions
step checkpoint training evaluation keeping meter execution environment
recomputing trackers building storing session experiment profiling predictions
export_formats exporting
engines engines.slots engines.process engines.pool engines.local engines.worker
engines.slurm_task engines.slurm engines.ray_cluster engines.on_ray
grid_files sweep pricing
published foreign_tables tables ranking
inference.grids inference.contrasts inference.verdicts inference.rank_tests
inference.resampling inference.variance inference.planning inference.intervals inference
data_findings inspection
standing answers order_claims mean_claims claims advice
audit_numbers audit_laws audit_text audit
threshold_study comparison paper_b
figures speed_figures sweep_figures loss_figures threshold_figures ct_figures
heat_tables ranking_figures data_figures panels templates inspection_page widgets
card_content card
threshold_page serving
report_content report_figures report notebook_copies console
doctor doctor.section doctor.probe doctor.software doctor.device doctor.kernel
doctor.places doctor.network doctor.examination
""".split()
FREE = {"__init__", "cli"} | {
    f"cli_{n}"
    for n in "pages tables advice inspect data sweep notebooks doctor hand".split()
}  # they import inside functions

# Who alone may import a library.
SOLE = {
    "matplotlib": {
        "figures",
        "loss_figures",
        "threshold_figures",
        "ct_figures",
        "ranking_figures",
        "heat_tables",
        "report_figures",
        "data_figures",
        "speed_figures",
        "sweep_figures",
        "widgets",
    },
    "ipywidgets": {"widgets"},
    "papermill": {"engines.local"},
    "ray": {"engines.on_ray", "engines.ray_cluster"},
    "psutil": {"engines.process", "engines.worker", "doctor.device"},
    "scikit_posthocs": {"inference.rank_tests"},
    "statsmodels": {"inference.rank_tests"},
    "baycomp": {"inference.rank_tests"},
    "jinja2": {"templates"},
    "pydicom": {"datasets.dicom_files", "datasets.dicom_headers"},
    "tifffile": {"datasets.images"},
    "PIL": {"datasets.images", "datasets.resizing", "datasets.toy", "panels"},
    "timm": {"models.*"},
    "segmentation_models_pytorch": {"models.*", "loss_libraries"},
    "torchvision": {"models.*", "doctor.probe"},
    "fsspec": {"stores"},
    "requests": {"datasets.downloading"},
    "filelock": {"datasets.fetching", "trackers"},
    "sklearn": set(),
    "mlflow": {"trackers"},
    "tensorboard": {"trackers"},
    "monai": {"boundary", "loss_libraries"},
    "onnx": {"export_formats"},
    "onnxruntime": {"export_formats"},
    "onnxscript": {"export_formats"},
}
TORCH_FREE = """
lookup catalogue parameters protocols combinations config resolved extras disks files
stores
mirror records runs remote prepared splits
datasets.preparing
foreign_tables tables published ranking inference standing claims advice audit
threshold_study paper_b figures ranking_figures report
grid_files sweep pricing sweep_figures engines.local engines.slurm serving console
doctor.examination
card
""".split()
TENSORS_ONLY = {"losses", "masks", "metrics"}


def module_name(path: Path) -> str:
    """The dotted name below lesionkit; a package by its own name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


MODULES = {module_name(p): p for p in sorted(PACKAGE.rglob("*.py"))}
WALKED = [name for name in MODULES if name not in FREE and name != "datasets"]


@functools.cache
def imported(name: str) -> set[str]:
    """Full dotted names that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
            found.add(node.module)
    return found


def ours(name: str) -> set[str]:
    """Modules of lesionkit that a module imports."""
    dotted = {full.removeprefix("lesionkit.") for full in imported(name)}
    return {other for other in dotted if other in MODULES and other != "datasets"}


def reached(name: str, seen: frozenset[str] = frozenset()) -> set[str]:
    """Modules of lesionkit that an import of this one brings in."""
    found = {name}
    for other in ours(name) - seen:
        found |= reached(other, seen | found)
    return found


def test_every_module_has_its_place_in_the_walk() -> None:
    assert set(WALKED) == set(WALK)


@pytest.mark.parametrize("name", WALKED)
def test_a_module_imports_only_what_stands_before_it(name: str) -> None:
    later = WALK[WALK.index(name) :]
    assert ours(name) & set(later) - {name} == set()


@pytest.mark.parametrize("library", SOLE)
def test_a_library_has_its_sole_importer(library: str) -> None:
    users = {n for n in MODULES if any(f.split(".")[0] == library for f in imported(n))}
    allowed = {n for n in MODULES if f"{n.split('.')[0]}.*" in SOLE[library]}
    assert users <= allowed | SOLE[library]


@pytest.mark.parametrize("name", TORCH_FREE)
def test_what_stands_right_of_the_record_reaches_no_torch(name: str) -> None:
    libraries = {full.split(".")[0] for m in reached(name) for full in imported(m)}
    assert libraries & {"torch", "torchvision", "timm"} == set()


@pytest.mark.parametrize("name", sorted(TENSORS_ONLY) + ["models"])
def test_what_takes_tensors_knows_no_config_and_no_neighbour(name: str) -> None:
    others = {"config", "runs", "prepared", "models", *TENSORS_ONLY} - {name}
    assert reached(name) & others == set()


def test_training_writes_no_file_and_knows_no_data_set_name() -> None:
    assert reached("training") & {"runs", "experiment", "datasets.preparing"} == set()
    assert "open(" not in MODULES["training"].read_text()


def test_only_datasets_know_the_raw_folder() -> None:
    users = {n for n, p in MODULES.items() if '"raw"' in p.read_text()}
    named = {"doctor.places"}  # says which there are
    assert users - named <= {"datasets.preparing", "datasets.fetching", "cli"}


def test_only_these_write_below_data() -> None:
    writers = {n for n in MODULES if "files" in ours(n)}
    # write where the user says
    asked_for = {"comparison", "threshold_page", "ranking_figures", "report"}
    asked_for |= {"inspection_page", "notebook_copies", "exporting", "cli_hand"}
    fetched = {f"datasets.{n}" for n in ("downloading", "checksums", "fetching")}
    jobs = {"engines.slurm", "engines.slurm_task", "leases"}
    readers = {"records"}  # compare hashes alone
    assert writers - asked_for - fetched - jobs - readers == {
        "prepared",
        "splits",
        "runs",
        "mirror",
        "remote",
        "datasets.ct_phantom",
    }


@pytest.mark.parametrize("name", list(MODULES))
def test_a_file_stays_under_its_length(name: str) -> None:
    limit = 400 if name.startswith("models") else 300
    assert len(MODULES[name].read_text().splitlines()) <= limit


@pytest.mark.parametrize("folder", ["tests", "benchmarks"])
def test_a_file_beside_the_package_stays_under_its_length_too(folder: str) -> None:
    paths = sorted((PACKAGE.parent / folder).rglob("*.py"))
    assert [p.name for p in paths if len(p.read_text().splitlines()) > 300] == []


@pytest.mark.parametrize("name", list(MODULES))
def test_no_module_checks_with_assert(name: str) -> None:
    nodes = ast.walk(ast.parse(MODULES[name].read_text()))
    assert [node.lineno for node in nodes if isinstance(node, ast.Assert)] == []
