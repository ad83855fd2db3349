"""Print the table of the presets for docs/models.md; a test checks that the page has it.

python tools/preset_table.py
"""

from latentome.models.presets import PRESETS


def main() -> None:
    """Print one row for each preset."""
    print("| preset | family | source | what to know |\n|---|---|---|---|")
    for name, preset in PRESETS.items():
        print(f"| `{name}` | {preset.family} | {preset.source} | {preset.note or '-'} |")


if __name__ == "__main__":
    main()
