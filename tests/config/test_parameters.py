"""One parameter of a run, and those of a notebook as IPython leaves them."""

import pytest

from lesionkit.config import RunConfig
from lesionkit.config.parameters import checked, notebook_parameters

IMPORTS = "import lesionkit as lk"
CELL = """\
loss: str = "ioufocal"  # one of lesionkit.LOSSES
repeat: int = 0  # which of the repetitions
"""
PAGE = """\
dataset: str = "toy"  # which data set
size: int = 64  # pixels
share: float = 0.5  # of the images
"""


def ran(*cells, unseen=()):
    """globals() of a notebook whose cells were run in this order.

    Args:
        cells: their sources.
        unseen: sources that stand in the history and are not executed here.
    """
    namespace = {"In": ["", *unseen, *cells]}
    for cell in cells:
        exec(cell, namespace)
    return namespace


def test_a_notebook_shows_a_misspelt_parameter_in_one_line():
    with pytest.raises(ValueError, match="'run'") as caught:
        notebook_parameters(ran('runs: str = "x"', '# Parameters\nrun = "y"'))
    assert caught.value._render_traceback_() == [f"UnknownName: {caught.value}"]


@pytest.mark.parametrize(
    ("kind", "value"),
    [(str, "a"), (int, 3), (bool, True), (float, 0.5)],
)
def test_a_value_of_its_type_stays(kind, value):
    assert checked("name", value, {"kind": kind, "says": "x"}) is value


def test_a_whole_number_is_taken_for_a_float():
    assert checked("alpha", 1, {"kind": float, "says": "x"}) == 1.0
    assert type(checked("alpha", 1, {"kind": float, "says": "x"})) is float


@pytest.mark.parametrize(
    ("kind", "value", "allowed"),
    [
        (bool, "yes", "True or False, got 'yes' of type str"),
        (bool, 1, "True or False, got 1 of type int"),
        (int, 1.5, "of type int, got 1.5 of type float"),
        (int, True, "of type int, got True of type bool"),
        (int, "3", "of type int, got '3' of type str"),
        (float, "0.5", "of type float, got '0.5' of type str"),
        (str, 7, "of type str, got 7 of type int"),
        (int, None, "of type int, got None of type NoneType"),
    ],
)
def test_a_value_of_another_type_is_refused_with_both_types(kind, value, allowed):
    with pytest.raises(TypeError) as caught:
        checked("name", value, {"kind": kind, "says": "its manual"})
    assert str(caught.value) == f"name (its manual) must be {allowed}"


def test_a_number_without_limits_has_to_be_finite():
    cells = (PAGE, '# Parameters\nshare = float("nan")')
    with pytest.raises(ValueError, match="share .* must be a finite number, got nan"):
        notebook_parameters(ran(*cells))


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_number_outside_its_limits_is_refused_with_the_limits(value):
    with pytest.raises(ValueError, match=r"alpha \(x\) must be 0 to 1, got"):
        checked("alpha", value, {"kind": float, "says": "x", "low": 0, "high": 1})


def test_a_limit_on_one_side_is_told_as_such():
    with pytest.raises(ValueError, match="must be 8 or more, got 4"):
        checked("size", 4, {"kind": int, "says": "x", "low": 8})


def test_a_word_outside_its_list_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'batch'"):
        checked("sums", "bach", {"kind": str, "says": "x", "one_of": ("batch",)})


@pytest.mark.parametrize("name", ["alpha", "size", "pretrained", "variant", "epochs"])
def test_what_the_protocol_settles_may_be_none(name):
    assert RunConfig.from_mapping({name: None}) == RunConfig()


@pytest.mark.parametrize(
    "name",
    ["loss", "model", "dataset", "protocol", "repeat", "device", "keep_weights"],
)
def test_what_nothing_else_settles_may_not_be_none(name):
    with pytest.raises(TypeError, match=f"^{name} .* got None"):
        RunConfig.from_mapping({name: None})


def test_the_parameters_cell_makes_the_config():
    namespace = ran(IMPORTS, CELL)
    assert RunConfig.from_notebook(namespace) == RunConfig(loss="ioufocal", repeat=0)


def test_what_papermill_passes_wins_over_the_parameters_cell():
    namespace = ran(IMPORTS, CELL, '# Parameters\nloss = "dice"\nepochs = 2\n')
    assert RunConfig.from_notebook(namespace) == RunConfig(loss="dice", epochs=2)


def test_a_misspelt_parameter_of_papermill_is_refused_with_the_nearest():
    namespace = ran(IMPORTS, CELL, '# Parameters\nlos = "ioufocal"\n')
    with pytest.raises(ValueError, match="unknown parameter 'los'.*mean 'loss'"):
        RunConfig.from_notebook(namespace)


def test_a_misspelt_parameter_in_the_parameters_cell_is_refused():
    namespace = ran(IMPORTS, CELL.replace("loss:", "los:"))
    with pytest.raises(ValueError, match="unknown parameter 'los'.*mean 'loss'"):
        RunConfig.from_notebook(namespace)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('pretrained = "yes"', "pretrained .* True or False, got 'yes' of type str"),
        ("repeat = 1.5", "repeat .* of type int, got 1.5 of type float"),
        ("loss = 3", "loss .* of type str, got 3 of type int"),
        ("repeat = None", "repeat .* of type int, got None"),
    ],
)
def test_a_mistyped_parameter_of_papermill_is_refused(line, message):
    with pytest.raises(TypeError, match=message):
        RunConfig.from_notebook(ran(IMPORTS, CELL, f"# Parameters\n{line}\n"))


def test_none_from_papermill_leaves_a_parameter_to_the_protocol():
    namespace = ran(IMPORTS, CELL, "# Parameters\nalpha = None\n")
    assert RunConfig.from_notebook(namespace).alpha is None


@pytest.mark.parametrize(
    "later",
    [
        "note = 3",
        "lr = 1",
        "size = 'large'",
        "note: int = 3",
        "lost = 'a word near to loss'",
        "import math as alpha",
    ],
)
def test_a_variable_of_another_cell_is_not_judged(later):
    assert RunConfig.from_notebook(ran(IMPORTS, CELL, later)) == RunConfig()


@pytest.mark.parametrize(
    "magic", ["%matplotlib inline", "!ls", "%%time\nlos = 3", "what?", "1 +"]
)
def test_cells_that_are_no_python_are_ignored(magic):
    assert RunConfig.from_notebook(ran(CELL, unseen=[magic])) == RunConfig()


def test_an_annotated_attribute_is_no_parameter():
    cell = "import types\nbox = types.SimpleNamespace()"
    namespace = ran(IMPORTS, CELL, cell, "box.size: int = 3")
    assert RunConfig.from_notebook(namespace) == RunConfig()


def test_a_parameters_cell_that_is_run_again_counts_with_its_new_values():
    again = CELL.replace("ioufocal", "dice")
    assert RunConfig.from_notebook(ran(IMPORTS, CELL, again)) == RunConfig(loss="dice")


def test_a_misspelling_is_forgotten_once_its_cell_is_corrected():
    wrong = CELL.replace("loss:", "los:")
    assert RunConfig.from_notebook(ran(IMPORTS, wrong, CELL)) == RunConfig()


def test_a_misspelling_of_papermill_is_forgotten_once_its_cell_is_corrected():
    wrong, right = '# Parameters\nlos = "dice"', '# Parameters\nloss = "dice"'
    namespace = ran(IMPORTS, CELL, wrong, right)
    assert RunConfig.from_notebook(namespace) == RunConfig(loss="dice")


def test_a_cell_with_one_parameter_leaves_the_others_in_force():
    first = '# Parameters\nloss = "dice"\nrepeat = 2\n'
    namespace = ran(IMPORTS, CELL, first, 'loss: str = "bce"')
    assert RunConfig.from_notebook(namespace) == RunConfig(loss="bce", repeat=2)


@pytest.mark.parametrize(
    ("named", "annotations"),
    [
        ("__annotations__", {"loss": str}),
        ("__annotate__", lambda form: {"loss": str}),  # Python 3.14
    ],
)
def test_in_a_script_the_annotated_names_are_the_parameters(named, annotations):
    namespace = {named: annotations, "loss": "dice", "lr": 1}
    assert RunConfig.from_notebook(namespace) == RunConfig(loss="dice")


def test_a_page_without_a_config_gets_the_values_of_its_parameters():
    namespace = ran(IMPORTS, PAGE, "# Parameters\nsize = 96\nshare = 1\n")
    values = {"dataset": "toy", "size": 96, "share": 1.0}
    assert notebook_parameters(namespace) == values


def test_a_page_refuses_a_misspelt_parameter_with_the_nearest():
    namespace = ran(IMPORTS, PAGE, "# Parameters\nsise = 96\n")
    with pytest.raises(ValueError, match="unknown parameter 'sise'.*mean 'size'"):
        notebook_parameters(namespace)


@pytest.mark.parametrize("line", ["size = 9.6", "size = None", "dataset = 7"])
def test_a_page_refuses_a_mistyped_parameter(line):
    with pytest.raises(TypeError, match="a parameter of this notebook"):
        notebook_parameters(ran(IMPORTS, PAGE, f"# Parameters\n{line}\n"))


@pytest.mark.parametrize("later", ["note = 3", "table: dict = {}", "note: int = 'a'"])
def test_a_page_does_not_judge_a_variable_of_another_cell(later):
    assert notebook_parameters(ran(IMPORTS, PAGE, later))["size"] == 64


def test_a_page_takes_a_parameters_cell_that_is_run_again():
    again = PAGE.replace("64", "96")
    assert notebook_parameters(ran(IMPORTS, PAGE, again))["size"] == 96
