"""A sweep runs what is missing of it, and tells how each run ended."""

import pytest
from made_records import made_record
from made_sweeps import two as two

from lesionkit.config import RunConfig
from lesionkit.engines import NO_RECORD, Outcome, one_by_one
from lesionkit.lookup import Refused
from lesionkit.records.runs import note_failure, start, state
from lesionkit.sweeps.sweep import counts_of, read_sweep, run_sweep


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


def test_what_a_file_holds_is_refused_and_the_file_named(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text("axes: {loss: [dcie]}")
    with pytest.raises(Refused, match=r"wrong\.yaml: unknown loss 'dcie'"):
        read_sweep(path)


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


def test_an_engine_of_a_function_tells_an_error_in_one_line(two):
    def execute(config):
        if config.loss == "iou":
            raise RuntimeError("In [3]:\n  cell\nValueError: what it was\n")

    failures = run_sweep(two, one_by_one(execute), report=lambda line: None)
    assert list(failures.values()) == [
        NO_RECORD,
        "In [3]: cell ValueError: what it was",
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
