"""``latentome datasets``: what there is."""

from __future__ import annotations


def command() -> None:
    """List the data sets: bundled ones, and those that 'latentome download' fetches."""
    from rich.console import Console

    from latentome.datasets import available, downloadable

    console = Console(highlight=False, soft_wrap=False)
    for entry in available():
        size = f"{entry['samples']:,} samples x {entry['genes']:,} genes, labels: {entry['label_column']}"
        console.print(f"[bold]{entry['name']}[/bold]  {size}")
        console.print(f"    {entry['what']}\n    from {entry['source']} ({entry['licence']})", markup=False)
    for entry in downloadable():
        size = "size not published" if entry["size"] is None else f"{entry['size'] / 1e6:,.1f} MB"
        many = f"{entry['files']} file{'' if entry['files'] == 1 else 's'}"
        checked = "published SHA-256" if entry["hashes"] else "trusted on first use"
        console.print(f"[bold]{entry['name']}[/bold]  to download: {many}, {size}, {checked}")
        console.print(f"    {entry['what']}\n    from {entry['source']} ({entry['licence']})", markup=False)
