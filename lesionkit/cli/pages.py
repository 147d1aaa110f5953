"""The commands that make pages."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from lesionkit.cli.console import arguments, place
from lesionkit.cli.tables import MARGIN, METRIC, Reader, Source, table_options


@click.command()
@click.argument("source", type=place, required=False)
@click.option("--only", multiple=True, metavar="NAME=VALUE", help="Keep these runs.")
@click.option(
    "--image", help="Show this image alone: a file, or smallest, median, ... ."
)
@click.option("--html", type=Path, help="Write the page here, and do not open it.")
@click.option("--bundle", type=Path, help="Write what the page needs, and stop.")
@click.option("--no-browser", is_flag=True, help="Write thresholds.html, no more.")
def thresholds(
    source: Source | None,
    only: tuple[str, ...],
    image: str | None,
    html: Path | None,
    bundle: Path | None,
    no_browser: bool,
) -> None:
    """Masks under a threshold to drag, as one HTML file that opens in the browser.

    SOURCE is a folder of run records, the URL of one, or a bundle; without it, the
    bundle of toy runs that comes with the kit. The page is thresholds.html.
    """
    from lesionkit.thresholds import comparison
    from lesionkit.thresholds.page import write_page

    with arguments():
        shelf = comparison.shelf(source or "", " ".join(only))
        shelf.open().position(image or "smallest")
    if len(shelf.titles) > 1:
        titles = "; ".join(shelf.titles)
        raise click.UsageError(
            f"{len(shelf.titles)} comparisons ({titles}): choose one with --only, "
            "for instance --only dataset=kvasir --only repeat=0"
        )
    found = shelf.open()
    if html or not bundle:
        page = write_page(found, html or "thresholds.html", [image] if image else None)
        click.echo(page.absolute())
        if not (html or no_browser):
            webbrowser.open(page.absolute().as_uri())
    if bundle:
        click.echo(found.save(bundle).absolute())


@click.command()
@click.argument("source", type=place)
@click.option("-o", "--output", type=Path, help="The page [default: report.html].")
@click.option("--reproduction", type=Path, help="A reproduction report, as Markdown.")
@click.option("--figures", type=Path, help="A folder for the figures as files.")
@click.option(
    "--form", default="svg", show_default=True, help="Of them: svg, pdf, png."
)
@click.option("--title", default="", help="Of the page.")
@METRIC
@MARGIN
@table_options
def report(
    source: Source,
    output: Path | None,
    reproduction: Path | None,
    figures: Path | None,
    form: str,
    title: str,
    metric: str,
    margin: float,
    read: Reader,
) -> None:
    """One self-contained page: verdict, figures, tests, claims, methods and limits."""
    from lesionkit.pages import report as pages
    from lesionkit.tables import with_background

    table = with_background(read(source))
    with arguments():
        made = pages.make(table, str(source), metric=metric, margin=margin, title=title)
    click.echo(made.standing.verdict.sentence)
    if reproduction:
        click.echo(pages.write_reproduction(made, reproduction).absolute())
    if figures:
        for path in pages.write_figures(made, figures, form):
            click.echo(path.absolute())
    if output or not (reproduction or figures):
        page = output or Path("report.html")
        click.echo(pages.write_page(made, page).absolute())
