"""A run's parameters: what is allowed, what is filled in, and where the record lies."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest

from lesionkit.catalogue import (
    DEFINITIONS,
    FURTHER_LOSSES,
    LOSSES,
    MODELS,
    PAPER_A_LOSSES,
)
from lesionkit.catalogue.protocols import PROTOCOLS
from lesionkit.config import RunConfig, places
from lesionkit.extras import CHECKOUT
from lesionkit.records.runs import start

OF_ONES_OWN = ("options", "code", "file")


def test_a_plain_run_lies_in_a_folder_of_its_names_alone() -> None:
    run = RunConfig(loss="iou", dataset="kvasir", protocol="paper_a", repeat=3)
    assert run.run_id == "paper_a/kvasir/unet/iou/A-printed/repeat3"


def test_the_folders_of_records_with_the_split_of_format_1_stay_theirs() -> None:
    names = "demo/toy/unet/ioufocal/A-gamma2"
    assert RunConfig(split="group_v1").run_id == f"{names}/repeat0-b427f918"
    now = RunConfig(split="group").run_id
    assert now.startswith(f"{names}/repeat0-")
    assert now != RunConfig(split="group_v1").run_id


@pytest.mark.parametrize(
    "other",
    [
        {"size": 96},
        {"split": "group"},
        {"variant": "unet_bn_bilinear"},
        {"alpha": 0.5},
        {"gamma": 1.0},
        {"epochs": 3},
        {"variant": "smp_unet_resnet34", "pretrained": True},
        {"resize": "nearest"},
        {"split_seed": 1},
        {"init_seed": 1},
        {"learning_rate": 1e-2},
        {"weight_decay": 0.1},
        {"optimizer": "adamw"},
        {"schedule": "cosine"},
        {"warmup": 0.1},
        {"augment": "flips"},
        {"normalise": "imagenet"},
        {"batch_size": 4},
        {"patience": 3},
        {"stop_rule": "after"},
        {"scoring": "full_batches"},
        {"dtype": "bfloat16"},
        {"threads": 3},
        {"deterministic": False},
        {"sums": "image"},
        {"smooth": 1.0},
        {"focal_form": "meanfirst", "alpha_form": "constant"},
    ],
)
def test_a_parameter_of_ones_own_gives_a_folder_of_its_own(other: dict) -> None:
    plain, mine = RunConfig(), RunConfig(**other)
    folder, _, digest = mine.run_id.rpartition("-")
    assert folder == plain.run_id
    assert len(digest) == 8


def test_every_parameter_but_the_named_ones_is_part_of_the_identity() -> None:
    names = {rule.name for rule in fields(RunConfig)}
    apart = {"repeats", "device", "keep_weights", "save_seconds"}
    apart |= {"loader", "activation_checkpointing", "track"}
    apart |= {"loss_file", "model_file"}  # their hashes are in it
    assert set(RunConfig().identity()) == names - apart


def test_the_protocols_own_value_given_by_hand_is_the_same_run() -> None:
    by_hand = RunConfig(size=64, alpha=0.8, gamma=2, definition="A-gamma2")
    assert by_hand.run_id == RunConfig().run_id


def test_two_different_values_give_two_folders() -> None:
    ids = {RunConfig(gamma=g, size=s).run_id for g in (0.5, 1, 3) for s in (32, 96)}
    assert len(ids) == 6


def test_the_seeds_are_42_plus_the_repeat() -> None:
    run = RunConfig(repeat=3).resolved()
    assert (run.split_seed, run.init_seed) == (45, 45)


def test_a_loss_without_a_focal_term_has_no_focal_numbers() -> None:
    run = RunConfig(loss="ioudice").resolved()
    assert (run.alpha, run.gamma, run.focal_form) == (None, None, None)


def test_the_printed_definition_has_gamma_one_fifth() -> None:
    run = RunConfig(loss="ioufocal", dataset="kvasir", protocol="paper_a").resolved()
    assert (run.definition, run.alpha, run.gamma) == ("A-printed", 0.8, 0.2)


def test_paper_a_has_the_printed_settings() -> None:
    run = RunConfig(dataset="kvasir", protocol="paper_a").resolved()
    assert (run.size, run.batch_size, run.epochs, run.patience) == (224, 8, 200, 40)
    assert (run.learning_rate, run.weight_decay, run.stop_rule) == (1e-3, 0.0, "at")
    assert (run.resize, run.scoring, run.split) == ("bilinear", "every_image", "image")
    assert (run.repeats, run.pretrained, run.dtype) == (5, False, "float32")
    assert (run.sums, run.smooth) == ("batch", 1e-6)


def test_paper_a_public_differs_from_paper_a_where_the_re_run_does() -> None:
    one, other = PROTOCOLS["paper_a"].settings, PROTOCOLS["paper_a_public"].settings
    assert {name: other[name] for name in one if one[name] != other[name]} == {
        "definition": "A-meanfirst",
        "resize": "nearest",
        "learning_rate": 1e-4,
        "weight_decay": 1e-8,
        "stop_rule": "after",
        "scoring": "full_batches",
    }


def test_paper_a_fast_is_paper_a_in_other_arithmetic_alone() -> None:
    one, other = PROTOCOLS["paper_a"].settings, PROTOCOLS["paper_a_fast"].settings
    assert one.keys() == other.keys()
    assert {name: other[name] for name in one if one[name] != other[name]} == {
        "dtype": "bfloat16",
        "memory_format": "channels_last",
        "graphed": True,
    }
    assert PROTOCOLS["paper_a_fast"].deviations


def test_the_public_re_run_names_its_variants() -> None:
    assert PROTOCOLS["paper_a_public"].variants == {
        "esfpnet": "esfpnet_t",
        "ducknet": "ducknet_34",
    }


def test_an_open_size_is_the_protocols_or_the_nearest_the_network_takes() -> None:
    assert RunConfig(model="ducknet").resolved().size == 64
    assert RunConfig(model="fatnet").resolved().size == 224


@pytest.mark.parametrize(
    ("model", "size", "says"),
    [
        ("fatnet", 64, "sides 224 only, and size is 64. Try -p size 224"),
        ("ducknet", 100, "sides multiples of 32, and size is 100. Try -p size 96"),
        ("colonsegnet", 9, "sides multiples of 8, and size is 9. Try -p size 8"),
    ],
)
def test_a_size_the_network_does_not_take_is_refused_with_the_nearest_it_does(
    model: str, size: int, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        RunConfig(model=model, size=size)


def test_deep_supervision_of_one_head_is_refused_with_those_that_have_more() -> None:
    with pytest.raises(ValueError, match="and enet \\(enet_port\\) has one") as told:
        RunConfig(model="enet", deep_supervision=True)
    assert "unetplusplus (unetpp_bn_bilinear_4heads)" in str(told.value)
    with pytest.raises(ValueError, match="deep_supervision needs several heads"):
        RunConfig(model="unetplusplus", deep_supervision=True)
    RunConfig(model="caranet", deep_supervision=True)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_protocol_trains_on_every_head_or_compiles(protocol: str) -> None:
    run = RunConfig(protocol=protocol).resolved()
    assert (run.deep_supervision, run.compile) == (False, False)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_resolves_every_model_to_a_known_variant(protocol: str) -> None:
    for model, entry in MODELS.items():
        run = RunConfig(protocol=protocol, model=model).resolved()
        assert run.variant in entry.variants
        open_ones = {"alpha", "gamma", "beta", "focal_form", "alpha_form"}
        open_ones |= {f"{of}_{n}" for of in ("loss", "model") for n in OF_ONES_OWN}
        given = {rule.name: getattr(run, rule.name) for rule in fields(run)}
        assert {n for n, v in given.items() if v is None} <= open_ones, model


def test_every_definition_names_losses_there_are() -> None:
    named = {name for facts in DEFINITIONS.values() for name in facts["losses"]}
    assert named | set(FURTHER_LOSSES) == set(LOSSES)
    assert not named & set(FURTHER_LOSSES)
    assert len(PAPER_A_LOSSES) == 10


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"loss": "iuofocal"}, ValueError, "Did you mean 'ioufocal'?"),
        ({"model": "unett"}, ValueError, "Did you mean 'unet'?"),
        ({"variant": "unet_bn"}, ValueError, "unknown variant of unet 'unet_bn'"),
        ({"dataset": "kvasr"}, ValueError, "Did you mean 'kvasir'?"),
        ({"dataset": "folder"}, ValueError, "unknown dataset 'folder'"),
        ({"dataset": "my_set"}, ValueError, "lesionkit prepare my_set --raw DIR"),
        ({"protocol": "paperA"}, ValueError, "Did you mean 'paper_a'?"),
        ({"definition": "A-print"}, ValueError, "Did you mean 'A-printed'?"),
        ({"split": "groups"}, ValueError, "Did you mean 'group'?"),
        ({"repeat": 7}, ValueError, "0 to 4, got 7. For more repetitions: -p repeats"),
        ({"repeat": -1}, ValueError, "must be 0 or more, got -1"),
        ({"alpha": 1.5}, ValueError, "must be 0 to 1, got 1.5"),
        ({"learning_rate": float("nan")}, ValueError, "0 or more, got nan"),
        ({"gamma": float("inf")}, ValueError, "0 or more, got inf"),
        ({"pretrained": "yes"}, TypeError, "True or False, got 'yes' of type str"),
        ({"augment": "all"}, ValueError, "One of: none, flips, full"),
        ({"optimizer": "sgd"}, ValueError, "One of: adam, adamw"),
        ({"schedule": "cos"}, ValueError, "Did you mean 'cosine'?"),
        ({"normalise": "imagenett"}, ValueError, "Did you mean 'imagenet'?"),
        ({"warmup": 5}, ValueError, "0 to 1, got 5"),
        ({"epochs": True}, TypeError, "of type int, got True of type bool"),
        ({"epochs": 2.5}, TypeError, "of type int, got 2.5 of type float"),
        ({"learning_rate": "1e-3"}, TypeError, "of type float, got '1e-3'"),
        ({"epochs": 0}, ValueError, "1 or more, got 0"),
    ],
)
def test_a_wrong_parameter_is_refused_in_one_line(
    wrong: dict, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=".*") as caught:
        RunConfig(**wrong)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_misspelt_parameter_gets_the_nearest_name() -> None:
    with pytest.raises(
        ValueError, match="unknown parameter 'los'. Did you mean 'loss'"
    ):
        RunConfig.from_mapping({"los": "iou"})


def test_more_repeats_allow_a_later_repeat_and_are_the_same_run() -> None:
    many = RunConfig(repeat=7, repeats=12)
    assert many.run_id == "demo/toy/unet/ioufocal/A-gamma2/repeat7"


def test_a_prepared_set_of_ones_own_is_a_data_set(tiny: str) -> None:
    assert RunConfig(dataset=tiny).run_id.startswith("demo/tiny/")


def test_a_folder_with_another_config_is_refused() -> None:
    run = RunConfig(epochs=3)
    folder = start(run)
    text = (folder / "config.json").read_text().replace('"epochs": 3', '"epochs": 4')
    (folder / "config.json").write_text(text)
    with pytest.raises(ValueError, match="holds another run .epochs 4, not 3"):
        start(run)


def test_data_lies_where_the_environment_says(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("LESIONKIT_DATA", str(tmp_path / "elsewhere"))
    assert places.data_folder() == tmp_path / "elsewhere"


def test_data_of_a_checkout_lies_in_it_wherever_one_stands(
    monkeypatch, tmp_path
) -> None:
    monkeypatch.delenv("LESIONKIT_DATA")
    monkeypatch.chdir(tmp_path)
    assert places.data_folder() == CHECKOUT / "data"


def test_data_of_an_installed_kit_lies_below_the_working_directory(
    monkeypatch, tmp_path
) -> None:
    monkeypatch.delenv("LESIONKIT_DATA")
    monkeypatch.setattr(places, "in_checkout", lambda: False)
    monkeypatch.chdir(tmp_path)
    assert places.data_folder() == tmp_path / "data"


def test_a_graph_of_a_step_that_recomputes_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot both be on"):
        RunConfig(graphed=True, activation_checkpointing=True)
    assert RunConfig(graphed=True).graphed


def test_the_choices_of_a_parameter_are_those_of_whoever_obeys_it() -> None:
    from lesionkit.prepared.loading import LOADERS
    from lesionkit.records.trackers import TRACKERS

    allowed = {rule.name: rule.metadata.get("one_of") for rule in fields(RunConfig)}
    assert allowed["loader"] == tuple(LOADERS)
    assert allowed["track"] == tuple(TRACKERS)


def test_a_relative_data_folder_is_that_of_the_place_where_one_is(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("LESIONKIT_DATA", "mine")
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        found.append(places.data_folder())
    assert found == [tmp_path / "one" / "mine", tmp_path / "two" / "mine"]


@pytest.mark.parametrize("around", [" {}", "{} ", "\t{}\n", "{}\r", '"{}"', "'{} '"])
def test_blanks_and_quotes_around_a_data_folder_are_no_part_of_it(
    monkeypatch, tmp_path, around: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LESIONKIT_DATA", around.format(tmp_path / "my data"))
    assert places.data_folder() == tmp_path / "my data"
    monkeypatch.setenv("LESIONKIT_DATA", around.format("mine"))
    assert places.data_folder() == tmp_path / "mine"


@pytest.mark.parametrize("blank", [" ", "\t", '""', '" "', "\r\n"])
def test_a_blank_data_folder_is_refused(monkeypatch, blank: str) -> None:
    monkeypatch.setenv("LESIONKIT_DATA", blank)
    with pytest.raises(ValueError, match=r"^LESIONKIT_DATA=.* is blank: name a folder"):
        places.data_folder()


def test_an_empty_data_folder_is_as_if_it_were_not_set(monkeypatch) -> None:
    monkeypatch.setenv("LESIONKIT_DATA", "")
    assert places.data_folder() == CHECKOUT / "data"


def test_a_data_folder_of_nobody_is_refused_by_its_name(monkeypatch) -> None:
    monkeypatch.setenv("LESIONKIT_DATA", "~nobody_of_that_name/data")
    with pytest.raises(ValueError, match="determine") as error:
        places.data_folder()
    said = "LESIONKIT_DATA=~nobody_of_that_name/data: Could not determine home"
    assert str(error.value).startswith(said)
    assert str(error.value).endswith(": name another folder")


def test_a_data_folder_may_have_a_home_spaces_and_any_letter(
    monkeypatch, tmp_path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LESIONKIT_DATA", "~/läsion data")
    assert places.data_folder() == tmp_path.resolve() / "läsion data"


@pytest.mark.parametrize("wrong", [{"los": "dice"}, {"size": "abc"}, {"loss": "dicee"}])
def test_a_notebook_shows_a_wrong_parameter_in_one_line(wrong: dict) -> None:
    cells = {"In": ['loss: str = "dice"'], "loss": "dice"}
    ((name, value),) = wrong.items()
    cells["In"].append(f"# Parameters\n{name} = {value!r}\n")
    with pytest.raises((ValueError, TypeError)) as error:
        RunConfig.from_notebook(cells | wrong)
    (line,) = error.value._render_traceback_()
    assert line == f"{type(error.value).__name__}: {error.value}"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_people_do_today_is_off_in_every_other_protocol(protocol: str) -> None:
    run = RunConfig(protocol=protocol).resolved()
    found = (run.optimizer, run.schedule, run.warmup, run.augment, run.normalise)
    today = ("adamw", "cosine", 0.05, "full", "imagenet")
    plain = ("adam", "constant", 0.0, "none", "unit")
    assert found == (today if protocol == "practice" else plain)
    assert run.pretrained is (protocol == "practice")


@pytest.mark.parametrize(
    ("given", "run_id"),
    [
        ({}, "demo/toy/unet/ioufocal/A-gamma2/repeat0"),
        (
            {"model": "enet", "epochs": 3},
            "demo/toy/enet/ioufocal/A-gamma2/repeat0-543da7ab",
        ),
        (
            {"model": "esfpnet", "loss": "dicebce", "epochs": 2},
            "demo/toy/esfpnet/dicebce/A-gamma2/repeat0-63b46a19",
        ),
    ],
)
def test_runs_made_before_these_parameters_lie_where_they_lay(
    given: dict, run_id: str
) -> None:
    assert RunConfig(**given).run_id == run_id


def test_each_piece_of_practice_can_be_turned_off_alone() -> None:
    off = [
        {"pretrained": False},
        {"normalise": "unit"},
        {"augment": "none"},
        {"optimizer": "adam"},
        {"schedule": "constant"},
        {"warmup": 0.0},
        {"stop_rule": "never"},
    ]
    runs = [RunConfig(protocol="practice", **each) for each in ({}, *off)]
    assert len({run.run_id for run in runs}) == 1 + len(off)


def test_practice_takes_the_weights_that_the_network_has() -> None:
    for model, entry in MODELS.items():
        run = RunConfig(protocol="practice", model=model).resolved()
        has = entry.variants[run.variant].pretrained is not None
        assert run.pretrained is has, model
        assert run.run_id.endswith("/repeat0")  # of either kind it is the plain run
    other = RunConfig(protocol="practice", variant="unet_bn_bilinear")
    assert not other.resolved().pretrained


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"model": "enet"}, "for enet (enet_port): -p pretrained false"),
        (
            {"protocol": "paper_a"},
            "for unet (unet_bn_transposed): -p variant smp_unet_resnet34 has some,"
            " or -p pretrained false",
        ),
    ],
)
def test_weights_that_there_are_not_are_refused_before_anything_is_read(
    given: dict, says: str
) -> None:
    with pytest.raises(ValueError, match="no pretrained encoder weights") as told:
        RunConfig(pretrained=True, **given)
    assert str(told.value).endswith(says)


@pytest.mark.parametrize(
    ("word", "value"),
    [("true", True), ("TRUE", True), ("False", False), ("false", False)],
)
def test_yes_and_no_are_taken_as_words_in_any_case(word: str, value: bool) -> None:
    assert RunConfig(graphed=word).graphed is value


@pytest.mark.parametrize("name", ["pretrained", "epochs", "variant", "alpha", "split"])
def test_none_in_any_case_leaves_a_parameter_to_the_protocol(name: str) -> None:
    for word in ("none", "None", "NONE"):
        assert getattr(RunConfig(**{name: word}), name) is None


def test_none_stays_a_name_where_it_is_one() -> None:
    run = RunConfig(augment="none", keep_weights="none", track="none")
    assert (run.augment, run.keep_weights, run.track) == ("none", "none", "none")
    with pytest.raises(ValueError, match="unknown loss 'none'"):
        RunConfig(loss="none")


def test_a_record_made_before_practice_is_that_of_a_run_without_it() -> None:
    run = RunConfig(epochs=3)
    path = start(run) / "config.json"
    content = json.loads(path.read_text())
    for name in ("optimizer", "schedule", "warmup", "augment", "normalise"):
        del content["identity"][name]
    path.write_text(json.dumps(content))
    assert start(run) == run.folder  # another run's would be refused
