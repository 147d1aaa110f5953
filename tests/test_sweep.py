"""A grid in a YAML file to the runs that are still missing."""

from pathlib import Path

import pytest
from made_records import made_record

from lesionkit import runs, sweep
from lesionkit.catalogue import PAPER_A_LOSSES
from lesionkit.config import RunConfig
from lesionkit.engines import Outcome, one_by_one
from lesionkit.pricing import price
from lesionkit.runs import note_failure, start, state
from lesionkit.sweep import Sweep, counts_of, read_sweep, run_sweep

SHIPPED = sorted((Path(sweep.__file__).parent / "sweeps").glob("*.yaml"))
GRID = """\
name: small
fixed: {protocol: demo, epochs: 2}
axes:
  dataset: [toy, kvasir]
  loss: [iou, dice]
  repeat: 0-1
"""


def engine_of(**makers):
    """An engine that makes each run's record by its loss; text is why it fails."""

    def run_all(configs):
        for config in configs:
            made = makers.get(config.loss, made_record)
            error = made if isinstance(made, str) else None
            if error is None:
                made(config)
            yield Outcome(config, error, 0.0, 1)

    return run_all


@pytest.fixture
def sweep_of(tmp_path):
    """Reads the sweep that this text describes."""

    def read(text):
        path = tmp_path / "grid.yaml"
        path.write_text(text)
        return read_sweep(path)

    return read


@pytest.fixture
def two():
    """A sweep of two runs, dice and iou."""
    return Sweep("two", (RunConfig(loss="dice"), RunConfig(loss="iou")))


def test_the_grid_runs_through_its_last_axis_first(sweep_of):
    configs = sweep_of(GRID).configs
    assert [(c.dataset, c.loss, c.repeat) for c in configs] == [
        ("toy", "iou", 0),
        ("toy", "iou", 1),
        ("toy", "dice", 0),
        ("toy", "dice", 1),
        ("kvasir", "iou", 0),
        ("kvasir", "iou", 1),
        ("kvasir", "dice", 0),
        ("kvasir", "dice", 1),
    ]


def test_what_is_fixed_holds_for_every_run(sweep_of):
    sweep = sweep_of(GRID)
    assert sweep.name == "small"
    assert {config.epochs for config in sweep.configs} == {2}


def test_a_sweep_without_a_name_is_called_like_its_file(sweep_of):
    assert sweep_of("axes: {loss: [iou]}").name == "grid"


def test_all_losses_are_the_ten_of_paper_a_in_its_order(sweep_of):
    configs = sweep_of("axes: {loss: all}").configs
    assert tuple(config.loss for config in configs) == PAPER_A_LOSSES


@pytest.mark.parametrize("text", ["0-4", "[0, 1, 2, 3, 4]"])
def test_a_range_is_both_ends_and_all_between(sweep_of, text):
    configs = sweep_of(f"axes: {{repeat: {text}}}").configs
    assert [config.repeat for config in configs] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("text", ["1e-4", "1.0e-4", "0.0001"])
def test_a_small_number_may_be_written_in_any_way(sweep_of, text):
    (config,) = sweep_of(f"axes: {{learning_rate: [{text}]}}").configs
    assert config.learning_rate == 1e-4


def test_the_same_run_twice_is_one_run(sweep_of):
    configs = sweep_of("axes: {loss: [iou, dice, iou], repeat: [0, 0]}").configs
    assert [config.loss for config in configs] == ["iou", "dice"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("axes: {loss: [iou, dise]}", "unknown loss 'dise'. Did you mean 'dice'"),
        ("axes: {model: [unett]}", "unknown model 'unett'. Did you mean 'unet'"),
        ("axes: {los: [iou]}", "unknown parameter 'los'. Did you mean 'loss'"),
        ("axes: {loss: [iou]}\nfix: {size: 96}", "unknown section .* mean 'fixed'"),
        ("axes: {repeat: 3-5}", "repeat must be 0 to 4, got 5"),
        ("axes: {loss: iou}", "axis loss must be a list .* got 'iou'"),
        ("axes: {model: all}", "axis model must be a list .* got 'all'"),
        ("axes: {repeat: 4-0}", "axis repeat must be a list .* got '4-0'"),
        ("axes: {loss: []}", r"axis loss must be a list of values .* got \[\]"),
        ("fixed: [iou]\naxes: {repeat: [0]}", "fixed must be a mapping, got"),
        ("fixed: {loss: iou}\naxes: {loss: [iou]}", "loss is both fixed and an axis"),
        ("fixed: {loss: iou}", "a sweep is a mapping with axes"),
        ("- iou", "a sweep is a mapping with axes"),
        ("", "a sweep is a mapping with axes"),
        ("axes: {loss: [iou", "is not YAML"),
    ],
)
def test_a_sweep_that_cannot_be_run_is_refused_when_it_is_read(sweep_of, text, message):
    with pytest.raises(ValueError, match=message):
        sweep_of(text)


def test_a_value_of_another_type_is_refused_when_the_sweep_is_read(sweep_of):
    with pytest.raises(TypeError, match="epochs .* must be of type int, got 'many'"):
        sweep_of("fixed: {epochs: many}\naxes: {loss: [iou]}")


def test_a_sweep_file_that_is_not_there_is_told_as_a_full_path():
    with pytest.raises(FileNotFoundError, match=r"no sweep file at /.*/none\.yaml"):
        read_sweep("none.yaml")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_sweep_that_comes_with_the_kit_is_read_by_its_name(path):
    assert read_sweep(path.name) == read_sweep(path)


def test_a_misspelt_sweep_file_gets_the_nearest_that_comes_with_the_kit():
    with pytest.raises(FileNotFoundError, match="Did you mean small_study.yaml?"):
        read_sweep("smal_study.yaml")


def test_a_file_of_the_user_wins_over_one_that_comes_with_the_kit(
    tmp_path, monkeypatch
):
    (tmp_path / SHIPPED[0].name).write_text("name: mine\naxes: {loss: [iou]}")
    monkeypatch.chdir(tmp_path)
    assert read_sweep(SHIPPED[0].name).name == "mine"


def test_a_run_is_missing_then_unfinished_then_done():
    config = RunConfig(loss="dice")
    assert state(config.folder) == "missing"
    made_record(config, sealed=False)
    assert state(config.folder) == "unfinished"
    made_record(config)
    assert state(config.folder) == "done"


def test_a_record_that_lost_a_file_is_damaged(two):
    (made_record(two.configs[0]) / "metrics.json").unlink()
    assert state(two.configs[0].folder) == "damaged"


def test_what_is_done_is_not_missing(two):
    made_record(two.configs[0])
    assert two.missing() == [two.configs[1]]
    assert list(two.states()["state"]) == ["done", "missing"]
    assert list(two.states()["loss"]) == ["dice", "iou"]


def test_a_sweep_runs_what_is_missing_and_nothing_else(two):
    made_record(two.configs[0])
    executed = []

    def keep(config):
        executed.append(made_record(config))

    assert run_sweep(two, engine_of(iou=keep, dice=keep)) == {}
    assert executed == [two.configs[1].folder]


def test_a_finished_sweep_asks_the_engine_for_nothing(two):
    for config in two.configs:
        made_record(config)
    assert run_sweep(two, lambda configs: 1 / 0) == {}


def test_a_run_that_fails_is_reported_and_stops_no_other(two):
    lines, seen = [], []
    failures = run_sweep(
        two,
        engine_of(dice="no space left"),
        report=lines.append,
        on_outcome=lambda outcome: seen.append(outcome.config),
    )
    assert failures == {two.configs[0].run_id: "no space left"}
    assert lines == [f"failed: {two.configs[0].run_id}: no space left"]
    assert seen == list(two.configs)
    assert state(two.configs[1].folder) == "done"


def test_a_run_that_failed_before_is_tried_again_only_when_asked(two):
    note_failure(start(two.configs[0]), "the loss is nan")
    lines = []
    failures = run_sweep(two, engine_of(dice=lambda c: 1 / 0), report=lines.append)
    assert list(failures) == [two.configs[0].run_id]
    assert "failed before (the loss is nan); --retry-failed" in lines[0]
    assert run_sweep(two, engine_of(), retry_failed=True) == {}
    assert counts_of(two.states()) == "2 done"


def test_a_damaged_record_is_told_and_not_trained_over(two):
    (made_record(two.configs[0]) / "metrics.json").write_text("{}")
    failures = run_sweep(two, engine_of(dice=lambda c: 1 / 0), report=lambda line: None)
    (reason,) = failures.values()
    assert "metrics.json is 2 bytes" in reason


def test_a_record_edited_by_hand_at_the_same_size_is_found_by_verify(two):
    path = made_record(two.configs[0]) / "metrics.json"
    path.write_text(path.read_text().replace("0.75", "0.95", 1))
    assert two.states()["state"][0] == "done"
    found = two.states(verify=True).iloc[0]
    assert found["state"] == "damaged"
    assert "metrics.json was changed after the run ended" in found["reason"]


def test_a_record_of_another_run_in_this_ones_folder_is_not_done(two):
    one, other = two.configs
    made_record(one)
    one.folder.parent.parent.rename(other.folder.parent.parent)
    row = two.states().iloc[1]
    assert row["state"] == "damaged"
    assert "holds another run" in row["reason"]


def test_excluded_combinations_are_left_out(sweep_of):
    text = GRID + "exclude:\n  - {dataset: kvasir, loss: [dice, bce]}\n"
    configs = sweep_of(text).configs
    assert len(configs) == 6
    assert ("kvasir", "dice") not in {(c.dataset, c.loss) for c in configs}


def test_a_value_that_is_a_mapping_gives_several_parameters(sweep_of):
    text = "axes: {change: [{size: 32, learning_rate: 1e-4}, {size: 96}], repeat: 0-1}"
    configs = sweep_of(text).configs
    assert [(c.size, c.learning_rate, c.repeat) for c in configs] == [
        (32, 1e-4, 0),
        (32, 1e-4, 1),
        (96, None, 0),
        (96, None, 1),
    ]


def test_each_repeat_has_the_seed_of_its_place(sweep_of):
    configs = sweep_of("axes: {repeat: 0-1}\nseeds: [7, 9]").configs
    assert [(c.split_seed, c.init_seed) for c in configs] == [(7, 7), (9, 9)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("axes: {repeat: 0-2}\nseeds: [7, 9]", "repeat 2 has no seed, there are 2"),
        ("axes: {repeat: 0-1}\nseeds: 7", "seeds must be a list of whole numbers"),
        ("axes: {repeat: 0-1}\nexclude: [{repat: 1}]", "Did you mean 'repeat'"),
        ("axes: {repeat: 0-1}\nexclude: {repeat: 1}", "exclude must be a list of map"),
        ("axes: {repeat: [1]}\nexclude: [{repeat: 1}]", "exclude leaves no run"),
        ("axes: {a: [{size: 32}], size: [64]}", "size is in two axes"),
        ("fixed: {size: 64}\naxes: {a: [{size: 32}]}", "size is both fixed and an"),
    ],
)
def test_a_part_of_a_sweep_that_fits_nothing_is_refused(sweep_of, text, message):
    with pytest.raises(ValueError, match=message):
        sweep_of(text)


@pytest.mark.parametrize(
    ("repeat", "kind", "message"),
    [
        ("one", TypeError, "repeat .* must be of type int"),
        (-3, ValueError, "0 or more"),
    ],
)
def test_a_repeat_that_is_none_is_refused_whatever_seeds_there_are(
    sweep_of, repeat, kind, message
):
    with pytest.raises(kind, match=message):
        sweep_of(f"axes: {{repeat: [{repeat}]}}\nseeds: [7, 9]")


def test_a_name_that_yaml_takes_for_a_number_is_text(sweep_of):
    assert sweep_of("name: 2024\naxes: {repeat: 0-1}").name == "2024"


def test_deviations_go_from_the_paper_to_its_rerun_one_setting_at_a_time():
    configs = read_sweep("deviations.yaml").configs
    first, *changed, last = [c.identity() for c in configs if c.repeat == 0]
    for other in changed:
        differs = {n for n in first if first[n] != other[n]}
        assert len(differs - {"alpha", "gamma", "focal_form", "alpha_form"}) == 1
    apart = {n for n in first if first[n] != last[n]} - {"protocol"}
    told = {n for other in changed for n in first if first[n] != other[n]}
    assert apart == told


def test_a_price_without_any_finished_run_guesses_no_hours(two):
    # U-Net with ResNet-34: 24,436,369 parameters of 4 bytes, twice
    assert price(two) == (
        "weights of 2 runs: 0.2 GB\n"
        "2 of them: no finished run of this kind to price from"
    )


def test_a_price_takes_the_hours_of_finished_runs_of_the_same_kind(two):
    made_record(two.configs[0])  # 36 seconds: 0.01 hours
    assert price(two) == "weights of 1 runs: 0.1 GB\n1 of them: about 0.01 hours"


def test_another_data_set_has_no_price_from_this_one(two):
    made_record(two.configs[0])
    kvasir = RunConfig(loss="dice", dataset="kvasir", keep_weights="none")
    assert price(Sweep("mixed", (*two.configs, kvasir))) == (
        "weights of 2 runs: 0.1 GB\n"
        "1 of them: about 0.01 hours\n"
        "1 of them: no finished run of this kind to price from"
    )


@pytest.mark.parametrize(("kept", "gigabytes"), [("best", 0.2), ("half", 0.1)])
def test_a_price_counts_the_bytes_that_are_kept(kept, gigabytes):
    runs_of_unet = [RunConfig(loss=n, keep_weights=kept) for n in ("dice", "iou")]
    told = price(Sweep("pair", tuple(runs_of_unet))).splitlines()[0]
    assert told == f"weights of 2 runs: {gigabytes} GB"  # 24.4 million numbers each


def test_a_price_of_another_data_set_comes_from_epochs_of_the_same_network():
    done = made_record(RunConfig(), sealed=False)
    sessions = [{"wall_seconds": 50.0, "epoch_seconds": 30.0}]
    runs.store_json(done, "environment", {"sessions": sessions})
    runs.finish(done)
    own = {"dataset": "kvasir", "keep_weights": "none", "size": 64, "epochs": 60}
    assert price(Sweep("other", (RunConfig(**own),))) == (
        "weights of 1 runs: 0.0 GB\n"
        "1 of them: at most 0.50 hours, from epochs of the same network and size on"
        " another data set"
    )


def test_an_engine_of_a_function_tells_the_last_line_of_an_error(two):
    def execute(config):
        if config.loss == "iou":
            raise RuntimeError("In [3]:\n  cell\nValueError: what it was\n")

    failures = run_sweep(two, one_by_one(execute), report=lambda line: None)
    assert list(failures.values()) == [
        "the engine ended without a finished record",
        "ValueError: what it was",
    ]


def test_an_error_without_text_is_told_by_its_type(two):
    def execute(config):
        raise KeyError

    failures = run_sweep(two, one_by_one(execute), report=lambda line: None)
    assert set(failures.values()) == {"KeyError"}


def test_nobody_can_stop_a_sweep_but_the_user(two):
    def execute(config):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(two, one_by_one(execute))


def test_a_finished_record_counts_whatever_was_raised_after_it(two):
    def execute(config):
        made_record(config)
        raise RuntimeError("the notebook's last cell")

    assert run_sweep(two, one_by_one(execute)) == {}


def test_an_engine_is_closed_when_its_caller_fails(two):
    def engine(configs):
        try:
            for config in configs:
                made_record(config)
                yield Outcome(config, None, 0.0, 1)
        finally:
            closed.append(True)

    closed = []
    with pytest.raises(ZeroDivisionError):
        run_sweep(two, engine, on_outcome=lambda outcome: 1 / 0)
    assert closed == [True]
    assert state(two.configs[1].folder) == "missing"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("axes: {los: [dice]}", ValueError),
        ("axes: {loss: dice}", ValueError),
        ("axes: {repeat: [a]}", TypeError),
    ],
)
def test_a_refusal_of_what_stands_in_a_sweep_file_names_the_file(
    sweep_of, tmp_path, text, kind
):
    with pytest.raises(kind) as caught:
        sweep_of(text)
    assert str(caught.value).startswith(f"{tmp_path / 'grid.yaml'}: ")


def test_a_sweep_file_that_is_not_text_is_refused_by_name(tmp_path):
    (tmp_path / "grid.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="grid.yaml is not YAML: "):
        read_sweep(tmp_path / "grid.yaml")


def test_a_folder_in_place_of_a_sweep_file_is_called_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"that is a folder"):
        read_sweep(tmp_path)
