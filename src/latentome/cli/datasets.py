"""``latentome datasets``: what there is."""

from __future__ import annotations


def command() -> None:
    """List the bundled data sets."""
    from rich.console import Console

    from latentome.datasets import available

    console = Console(highlight=False, soft_wrap=False)
    for entry in available():
        size = f"{entry['samples']:,} samples x {entry['genes']:,} genes, labels: {entry['label_column']}"
        console.print(f"[bold]{entry['name']}[/bold]  {size}")
        console.print(f"    {entry['what']}\n    from {entry['source']} ({entry['licence']})", markup=False)
