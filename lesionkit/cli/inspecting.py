"""The commands that read raw files: prepare, inspect."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lesionkit.cli.console import arguments, bar, numbers, pair, show


@click.command()
@click.argument("name")
@click.option("--raw", type=Path, help="Folder of raw files [default: raw/NAME].")
@click.option(
    "--against",
    multiple=True,
    metavar="NAME[=DIR]",
    help="Look for the same images in this set too.",
)
@click.option("--html", type=Path, help="Write a page with pictures too.")
@click.option("--files", is_flag=True, help="Name every file of every finding.")
@click.option("--json", "as_json", is_flag=True, help="For a program to read.")
def inspect(
    name: str,
    raw: Path | None,
    against: tuple[str, ...],
    html: Path | None,
    files: bool,
    as_json: bool,
) -> None:
    """What is wrong with a set's files, what is in it twice, and what a split leaks."""
    from lesionkit import inspection

    with arguments():
        others = [pair(t) if "=" in t else (t, "") for t in against]
        report = inspection.inspect(
            name,
            raw,
            against=[(n, Path(folder) if folder else raw) for n, folder in others],
            progress=lambda images: bar(images, desc=f"inspect {name}", unit="image"),
        )
    if html:
        from lesionkit.pages.inspection import write_page

        write_page(report, html)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2))
        return
    for fact, value in report.facts.items():
        click.echo(f"{fact:26} {_words(value)}")
    click.echo()
    show(numbers(report.leakage, index=False), False)
    click.echo()
    for finding in report.findings:
        click.echo(f"{finding.kind}: {finding.count}: {finding.says}")
        shown = finding.files if files else finding.files[:3]
        more = finding.count - len(shown)
        click.echo(f"  {', '.join(shown)}{f' and {more} more' if more else ''}")
    if html:
        click.echo(html.absolute())


def _words(value: object) -> str:
    """A fact as it stands in a line."""
    if isinstance(value, dict):
        return ", ".join(f"{count} {kind}" for kind, count in value.items())
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


@click.command()
@click.argument("name")
@click.option("--raw", type=Path, help="Folder of raw files [default: raw/NAME].")
@click.option("--size", default=224, show_default=True, help="Side in pixels.")
@click.option("--resize", default="bilinear", show_default=True, help="Or nearest.")
@click.option("--force", is_flag=True, help="Again, even if nothing changed.")
@click.option("--skip-bad", is_flag=True, help="Leave out what cannot be read.")
@click.option("--json", "as_json", is_flag=True, help="For a program to read.")
def prepare(
    name: str,
    raw: Path | None,
    size: int,
    resize: str,
    force: bool,
    skip_bad: bool,
    as_json: bool,
) -> None:
    """Raw files to the prepared form: arrays that every model reads."""
    from lesionkit.prepared import preparing, telling

    before = preparing.prepared_hashes(name, size, resize)
    data = preparing.prepare(
        name,
        raw,
        size=size,
        resize=resize,
        force=force,
        skip_bad=skip_bad,
        progress=lambda images: bar(images, desc=f"prepare {name}", unit="image"),
    )
    facts = telling.facts_of(data, before)
    if as_json:
        show([facts], True, upright=True)
        return
    for line in telling.told(facts):
        click.echo(line)
