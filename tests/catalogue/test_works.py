"""Everything that the kit has of others can be cited."""

import json
import re

import pytest
from made_commands import command as command

from lesionkit.catalogue import DATASETS, LOSSES, MODELS, PROTOCOLS, works
from lesionkit.published import TABLES

THERE = {
    "model": MODELS,
    "dataset": [name for name in DATASETS if name != "folder"],
    "loss": LOSSES,
    "protocol": PROTOCOLS,
    "table": TABLES,
}


@pytest.mark.parametrize("kind", THERE)
def test_names_that_are_told_of_are_names_of_the_kit(kind):
    assert set(works.WORKS[kind]) <= set(THERE[kind])
    assert len(works.WORKS[kind]) >= 0.9 * len(THERE[kind])  # cite tells of the rest


def test_only_what_the_kit_made_itself_has_no_work():
    bare = {n for each in works.WORKS.values() for n, keys in each.items() if not keys}
    assert bare == {
        *("toy", "ct_phantom", "lungct", "demo", "practice"),
        *("iou", "bce", "ioubce", "study-small", "study-small-all"),
        "study-small-images",
    }


def test_every_key_has_an_entry_and_every_entry_a_use():
    keys = {k for each in works.WORKS.values() for t in each.values() for k in t}
    assert set(works.entries()) == keys | {works.KIT}


@pytest.mark.parametrize(("key", "text"), works.entries().items())
def test_an_entry_is_bibtex_with_title_and_year(key, text):
    assert re.match(rf"@[a-z]+{{{key},\n", text)
    assert text.count("{") == text.count("}")
    fields = re.findall(r"^  ([a-z]+) = {.+},$", text, re.MULTILINE)
    assert len(fields) == len(text.splitlines()) - 2
    if key not in ("paper_a", works.KIT):
        assert {"title", "year"} <= set(fields)


def test_the_years_are_those_of_the_catalogue():
    entries = works.entries()
    for name, (key,) in works.WORKS["model"].items():
        assert f"year = {{{MODELS[name].year}}}" in entries[key]


def test_a_table_is_cited_with_its_data_sets_and_losses(command):
    found = json.loads(command("cite", "public-rerun", "--json").out)
    assert list(found["works"])[0] == works.KIT
    expected = {"paper_a", "public_rerun", "lin2017focal", "jha2020kvasir"}
    assert expected <= set(found["works"])
    assert "paszke2016enet" not in found["works"]  # the re-run has no ENet
    assert found["unknown"] == []
    text = command("cite", "public-rerun").out
    assert text.count("\n@") + 1 == len(found["works"])


def test_options_do_not_hide_a_work_and_an_unknown_name_is_told():
    names = {"loss": ["tversky(fp=0.5)", "my_losses.py:Mine"]}
    keys, unknown = works.used(names)
    assert keys == [works.KIT, "salehi2017tversky"]
    assert unknown == ["loss my_losses.py:Mine"]
