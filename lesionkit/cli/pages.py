"""The commands whose answer is handed on: report, thresholds, export, card."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Any

import click

from lesionkit.cli.console import (
    AS_JSON,
    MAYBE_SOURCE,
    ONLY,
    SOURCE,
    Source,
    answer,
    option,
    say,
    show_facts,
)
from lesionkit.cli.tables import MARGIN, METRIC, Reader, table_options

RECORD = click.argument("record", type=Path)


@click.command()
@MAYBE_SOURCE
@ONLY
@option(
    "--image",
    help="Show one image: a file, or smallest, median, largest, empty or worst.",
)
@option("--kept", is_flag=True, help="Only the images whose logits are in the records.")
@option("--html", type=Path, help="Write the page here, and do not open it.")
@option("--bundle", type=Path, help="Write what the page needs to this file, and stop.")
@option("--no-browser", is_flag=True, help="Write thresholds.html, and do not open it.")
def thresholds(
    source: Source | None,
    only: tuple[str, ...],
    image: str | None,
    kept: bool,
    html: Path | None,
    bundle: Path | None,
    no_browser: bool,
) -> None:
    """Write a page with sliders for the threshold of the masks, and open it.

    SOURCE is a folder of run records, the URL of one, or a bundle; without it, the
    bundle of toy runs that comes with the kit. The page is thresholds.html. It has
    every test image: the networks of the runs predict them again. With --kept, with
    --bundle, or where a run kept no weights, it has the few whose logits are stored.
    """
    from functools import partial

    from lesionkit.progress import bar
    from lesionkit.thresholds import comparison
    from lesionkit.thresholds.page import write_page

    every = None if kept or bundle else partial(bar, unit="run")
    shelf = comparison.shelf(source or "", " ".join(only), every)
    shelf.expect(image or "smallest")
    if len(shelf.titles) > 1:
        titles = "; ".join(shelf.titles)
        raise ValueError(
            f"{len(shelf.titles)} comparisons ({titles}): choose one with --only, "
            "for instance --only dataset=kvasir --only repeat=0"
        )
    found = shelf.open()
    found.position(image or "smallest")
    if every and len(found.files) < found.tested and source:
        says = "no weights were kept for the others"
        click.echo(
            f"{len(found.files)} of {found.tested} test images; {says}", err=True
        )
    if html or not bundle:
        path, one = html or Path("thresholds.html"), [image] if image else None
        page = write_page(found, path, one, partial(bar, unit="image"))
        click.echo(page.absolute())
        if not (html or no_browser):
            webbrowser.open(page.absolute().as_uri())
    if bundle:
        click.echo(found.save(bundle).absolute())


@click.command()
@SOURCE
@option("-o", "--output", type=Path, help="Write the page here [default: report.html].")
@option(
    "--reproduction", type=Path, help="Write a reproduction report here, as Markdown."
)
@option("--figures", type=Path, help="Write each figure to a file in this folder.")
@option(
    "--form",
    type=click.Choice(["svg", "pdf", "png"]),
    default="svg",
    help="Write figures in this format.",
)
@option("--title", help="Give the page this title.")
@METRIC
@MARGIN
@table_options
def report(
    source: Source,
    output: Path | None,
    reproduction: Path | None,
    figures: Path | None,
    form: str,
    title: str | None,
    metric: str,
    margin: float,
    read: Reader,
) -> None:
    """Write one page: verdict, figures, tests, claims, methods and limits."""
    from lesionkit.pages import report as pages
    from lesionkit.tables import with_background

    table = with_background(read(source))
    how = {"metric": metric, "margin": margin, "title": title or ""}
    made = pages.make(table, str(source), **how)
    say(made.standing.verdict.sentence)
    if reproduction:
        click.echo(pages.write_reproduction(made, reproduction).absolute())
    if figures:
        for path in pages.write_figures(made, figures, form):
            click.echo(path.absolute())
    if output or not (reproduction or figures):
        page = output or Path("report.html")
        click.echo(pages.write_page(made, page).absolute())


@click.command()
@click.argument("records", nargs=-1, type=Path, metavar="RECORD...", required=True)
@click.argument("images", type=Path, metavar="IMAGES")
@option(
    "-o", "--output", type=Path, required=True, help="Write the masks to this folder."
)
@option(
    "--rule",
    default="probability",
    help="The threshold: probability, raw_mean, otsu or best_validation.",
)
@option(
    "--probability", is_flag=True, help="Write the probabilities too, as 16-bit PNG."
)
@option(
    "--overlay",
    is_flag=True,
    help="Write each image with the outline of its mask, too.",
)
@option(
    "--device", default="cpu", help="Compute on this device of torch, such as cuda."
)
@AS_JSON
def predict(
    records: tuple[Path, ...],
    images: Path,
    output: Path,
    rule: str,
    probability: bool,
    overlay: bool,
    device: str,
    as_json: bool,
) -> None:
    """Segment new images with the network of a run, or the mean of several.

    RECORD is the folder of a finished run. IMAGES is a picture, a folder of them, the
    folder of a CT series (DICOM), or a NIfTI file. A mask is a PNG of 0 and 255 at its
    image's own size, <name>.png in the output folder. A volume also has its masks as
    one file in its own geometry, DICOM SEG or NIfTI. Where the images have masks beside
    them, scores.csv has a row an image.
    """
    import pandas as pd

    from lesionkit.export import inputs, outputs, prediction
    from lesionkit.progress import bar
    from lesionkit.records.files import write_bytes

    if output.resolve() == images.resolve():
        raise click.UsageError(f"{output} holds the images; name another folder")
    network = prediction.Ensemble.of(records, rule, device)
    items = inputs.items_of(images)
    written = outputs.write_all(
        items,
        network.run(items),
        output,
        network=network.title,
        probability=probability,
        overlay=overlay,
    )
    rows, volumes = [], []
    for volume in dict.fromkeys(item.volume for item in items if item.volume):
        for remark in volume.remarks:
            say(f"{volume.name}: {remark}", err=True)
    for made in bar(written, total=len(items), desc="image"):
        mask = made.mask.relative_to(output).as_posix()
        facts = {"image": made.found.name, "mask": mask}
        facts |= {"marked": float(made.found.mask.mean())}
        rows.append(facts | made.found.scores())
        volumes += [made.volume] if made.volume else []
        if made.remark:
            say(made.remark, err=True)
    scored = [row for row in rows if "dice" in row]
    if scored:
        table = pd.DataFrame(scored).to_csv(index=False, lineterminator="\n")
        write_bytes(output / "scores.csv", table.encode())
    if as_json:
        answer(rows)
        return
    click.echo(f"{len(rows)} masks in {output.absolute()}")
    for path in volumes:
        click.echo(path.absolute())
    if scored:
        means = pd.DataFrame(scored)[["dice", "iou", "precision", "recall"]].mean()
        named = ", ".join(f"{name} {value:.4f}" for name, value in means.items())
        say(f"{len(scored)} have a mask to compare with: {named} (scores.csv)")


@click.command()
@click.argument("records", nargs=-1, type=Path, metavar="RECORD...", required=True)
@option(
    "-o",
    "--output",
    type=Path,
    default=Path("browse.html"),
    help="Write the page here.",
)
def browse(records: tuple[Path, ...], output: Path) -> None:
    """Write a page with every test image of a run; several runs stand side by side.

    RECORD is the folder of a finished run, or one above such folders. The page sorts
    the images by Dice, by the difference between the runs, or by lesion size.
    """
    from functools import partial

    from lesionkit.export import browsing
    from lesionkit.progress import bar
    from lesionkit.records.runs import find_records

    found = []
    for folder in records:
        there = find_records(folder)
        if not there:
            raise FileNotFoundError(f"no finished run record at or below {folder}")
        found += there
    page = browsing.write_page(found, output, partial(bar, unit="run"))
    click.echo(page.absolute())


@click.command()
@RECORD
@option(
    "-o", "--output", type=Path, required=True, help="Write the file to this folder."
)
@option("--format", default="onnx", help="The format: onnx, or torch for a .pt2 file.")
@AS_JSON
def export(record: Path, output: Path, format: str, as_json: bool) -> None:
    """Write a run's network as ONNX or .pt2, and compare it with the run."""
    from lesionkit.export.network import export_model

    made = export_model(record, output, format=format)
    if as_json:
        answer(made.facts)
        return
    check, asked = made.facts["check"], made.facts["input"]
    shape = " x ".join(map(str, asked["shape"]))
    found, allowed = check["largest_difference"], check["allowed_difference"]
    facts = {
        "file": str(made.path.absolute()),
        "sha256": made.facts["sha256"],
        "in": f"{shape} {asked['dtype']}, {asked['layout']}, {asked['values']}",
        "out": "logits; lesion if >= 0",
        "compared on": f"{check['images']}: {check['images_of']}",
        "largest logit": check["largest_logit"],
        "difference": f"{found:.1e} at most, {allowed:.1e} allowed",
        "mask pixels": f"{check['pixels_that_differ']} of {check['pixels']} differ",
    }
    show_facts(facts)


@click.command()
@SOURCE
@AS_JSON
def cite(source: Source, as_json: bool) -> None:
    """Print BibTeX of the papers and data sets behind a record or a table.

    SOURCE is a run record, a folder of them, a CSV, or a named table such as
    public-rerun. Names without a known publication are listed on stderr.
    """
    from lesionkit import published, tables
    from lesionkit.catalogue import works

    table = tables.load_table(source)
    names: dict[str, Any] = {k: table[k].unique() for k in works.WORKS if k in table}
    if published.is_table(source):
        names["table"] = [str(source)]
    keys, unknown = works.used(names)
    entries = works.entries()
    if as_json:
        answer({"works": {key: entries[key] for key in keys}, "unknown": unknown})
        return
    click.echo("\n\n".join(entries[key] for key in keys))
    if unknown:
        say(f"no publication is known for: {', '.join(unknown)}", err=True)


@click.command()
@RECORD
@option("-o", "--output", type=Path, help="Write the card here [default: print it].")
def card(record: Path, output: Path | None) -> None:
    """Write a model card of a run: data, split, scores, limits, licence."""
    from lesionkit.pages.card import model_card
    from lesionkit.records.files import write_bytes

    text = model_card(record)
    if output is None:
        click.echo(text, nl=False)
        return
    write_bytes(output, text.encode())
    click.echo(output.absolute())
