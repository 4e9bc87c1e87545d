"""Show what was measured: tables for people, one object for programs."""

from __future__ import annotations

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.figures import Row, Section
from benchmarks.machine import Machine

_COUNTS = ("n",)
_PERCENT = "share_pct"


class Measured(msgspec.Struct, frozen=True):
    """A section, and how fast the machine was around it."""

    section: Section
    loop_ns: float
    """Slower of the calibration before and after."""


def to_json(machine: Machine, measured: list[Measured]) -> bytes:
    """Return the report as one JSON object: `machine`, and `sections` by key."""
    sections = {
        one.section.key: {
            "title": one.section.title,
            "loop_ns": one.loop_ns,
            "rows": one.section.rows,
            "notes": one.section.notes,
        }
        for one in measured
    }
    return msgspec.json.encode({"machine": machine, "sections": sections})


def print_machine(console: Console, machine: Machine) -> None:
    """Print what the figures were measured on and with."""
    packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    console.print(
        f"{machine.python} ({machine.compiler}), {machine.processor}, {machine.cores} cores,"
        f" load {machine.load}\n{packages}\n",
        highlight=False,
        markup=False,
    )


def print_section(console: Console, measured: Measured) -> None:
    """Print one table with its notes."""
    section = measured.section
    columns = list(dict.fromkeys(name for row in section.rows for name in row.figures))
    table = Table(title=section.title, title_justify="left", title_style="bold")
    table.add_column("")
    for name in columns:
        table.add_column(name.replace("_", " ").replace("pct", "%"), justify="right")
    table.add_column("unit")
    for row in section.rows:
        cells = [_cell(row, name) for name in columns]
        table.add_row(row.name, *cells, row.unit)
    console.print(table)
    notes = [*section.notes, f"calibration loop: {measured.loop_ns:.0f} ns a turn"]
    for note in notes:
        console.print(f"  {note}", style="dim", highlight=False, markup=False)
    console.print()


def _cell(row: Row, name: str) -> str:
    value = row.figures.get(name)
    if value is None:
        return ""
    if name in _COUNTS or abs(value) >= 1000:
        return f"{value:,.0f}"
    if name == _PERCENT or abs(value) < 10:
        return f"{value:.2f}"
    return f"{value:.1f}"
