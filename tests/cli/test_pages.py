"""The commands that write a page: report and thresholds."""

import pytest
from made_commands import command as command
from made_comparison import held, made_comparison
from made_records import complete_record

from lesionkit.config import RunConfig
from lesionkit.thresholds.comparison import load_bundle


@pytest.mark.slow
def test_report_writes_the_page_and_the_reproduction_report(command, tmp_path):
    page, text = tmp_path / "r.html", tmp_path / "r.md"
    result = command("report", "public-rerun", "-o", page, "--reproduction", text)
    assert result.code == 0
    assert result.out.splitlines()[1:] == [str(text), str(page)]
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert text.read_text().startswith("# Reproduction report")


def test_thresholds_writes_the_page_and_the_bundle_of_a_bundle(command, tmp_path):
    made = made_comparison().save(tmp_path / "made.npz")
    page, copy = tmp_path / "page.html", tmp_path / "copy.npz"
    result = command(
        "thresholds", str(made), "--html", str(page), "--bundle", str(copy)
    )
    assert result.code == 0 and "4/4" in result.err  # a bar over the images
    assert result.out.splitlines() == [str(page), str(copy)]
    assert "made, by hand, repeat 0" in page.read_text()
    assert load_bundle(copy).files == made_comparison().files


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["nowhere.npz"], "no bundle at ", 1),
        (["--image", "smalest"], "unknown image 'smalest'. Did you mean 'smallest'", 2),
        (["--only", "dataset=toy"], "chooses among run records", 2),
    ],
)
def test_thresholds_refuses_in_one_line(command, arguments, said, code):
    result = command("thresholds", *arguments)
    assert (result.code, result.out) == (code, "")
    assert said in result.err
    assert len(result.err.splitlines()) == 1


def test_thresholds_of_several_comparisons_asks_which_to_write(
    command, tiny, tmp_path, data_home
):
    for repeat in (0, 1):
        config = RunConfig(loss="dice", dataset="tiny", size=32, repeat=repeat)
        complete_record(config)
    page = tmp_path / "page.html"
    result = command("thresholds", str(data_home / "runs"), "--html", str(page))
    assert result.code == 1
    assert "2 comparisons (tiny, unet, repeat 0; tiny, unet, repeat 1)" in result.err
    assert not page.exists()


@pytest.mark.parametrize("more", [[], ["--no-browser"]])
def test_thresholds_writes_a_page_and_opens_it_unless_told_not_to(
    command, monkeypatch, tmp_path, more
):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.chdir(tmp_path)
    made = made_comparison().save(tmp_path / "made.npz")
    result = command("thresholds", made, "--image", "empty", *more)
    page = tmp_path / "thresholds.html"
    assert (result.code, result.out.split()) == (0, [str(page)])
    assert held(page.read_text())["data"]["files"] == ["empty.png"]
    assert opened == ([] if more else [page.as_uri()])
