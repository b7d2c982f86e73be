"""Sections as terminal text (rich), Markdown or LaTeX. What stands in them is decided elsewhere."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence

from vigos_eval.report.sections import Section, Table

WIDTH = 100
"""Columns a terminal report is laid out for."""


def terminal_text(sections: Iterable[Section], *, colour: bool = False, width: int = WIDTH) -> str:
    """The sections for a terminal, at most `width` columns wide."""
    from rich.console import Console
    from rich.text import Text

    buffer = io.StringIO()
    console = Console(
        file=buffer,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
    )
    for section in sections:
        console.print(Text(section.title, style="bold"))
        for line in section.lines:
            console.print(Text(line))
        if section.table is not None:
            console.print(_rich_table(section.table))
        for note in section.notes:
            console.print(Text(note, style="dim"))
        console.print()
    # rich pads lines to the table's width; trailing blanks are noise in logs and diffs.
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()).rstrip() + "\n"


def _rich_table(table: Table) -> object:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    # Two blanks between the columns where three would not fit and names would be folded.
    is_wide = _natural_width(table) > WIDTH
    padding = (0, 1, 0, 0) if is_wide else (0, 1)
    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=padding)
    for i, column in enumerate(table.columns):
        # Text(), not str: model names and subgroups may hold rich's [markup].
        drawn.add_column(
            Text(column),
            justify="left" if i < table.left else "right",
            no_wrap=i >= table.left,
            overflow="fold",
        )
    for i, row in enumerate(table.rows):
        drawn.add_row(*[Text(cell) for cell in row], end_section=i + 1 == table.rule_before)
    return drawn


def _natural_width(table: Table) -> int:
    """Columns that the table takes with three blanks between its columns and one at each side."""
    widths = [max(map(len, column)) for column in zip(table.columns, *table.rows, strict=True)]
    return sum(widths) + 3 * (len(widths) - 1) + 2


def markdown_text(sections: Iterable[Section]) -> str:
    """The sections as GitHub Markdown, for a README or a job summary."""
    blocks: list[str] = []
    for i, section in enumerate(sections):
        blocks.append(f"{'##' if i == 0 else '###'} {markdown_escaped(section.title)}")
        if section.lines:
            blocks.append("\n".join(f"- {markdown_escaped(line)}" for line in section.lines))
        if section.table is not None:
            blocks.append(markdown_table(section.table))
        if section.notes:
            blocks.append("\n".join(f"- {markdown_escaped(note)}" for note in section.notes))
    return "\n\n".join(blocks) + "\n"


def markdown_table(table: Table) -> str:
    """One table as GitHub Markdown."""
    head = "| " + " | ".join(markdown_escaped(c) for c in table.columns) + " |"
    align = "|" + "|".join(
        " :-- " if i < table.left else " --: " for i in range(len(table.columns))
    )
    lines = [head, align + "|"]
    for i, row in enumerate(table.rows):
        is_mean = table.rule_before is not None and i >= table.rule_before
        cells = [markdown_escaped(cell) for cell in row]
        lines.append("| " + " | ".join(f"**{c}**" if is_mean and c else c for c in cells) + " |")
    return "\n".join(lines)


def markdown_escaped(text: str) -> str:
    r"""Text that shows as itself in Markdown: no table break, no HTML, no emphasis.

    >>> print(markdown_escaped("a|b <script> * x_y"))
    a\|b &lt;script&gt; \* x\_y
    """
    text = text.replace("\\", "\\\\").replace("&", "&amp;")
    for char in "|*_`[]":
        text = text.replace(char, "\\" + char)
    return text.replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")


LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "[": "{[}",  # after a row's end it would open an argument
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    '"': "''",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "—": "--",
}
MINUS = re.compile(r"(?<!\w)-(?=\d)")


def latex_escaped(text: str) -> str:
    r"""Text that shows as itself in LaTeX.

    >>> print(latex_escaped("72.0 ±3.0 of cv_bench"))
    72.0 $\pm$3.0 of cv\_bench
    >>> print(latex_escaped("-1.3 ±≤0.5"), latex_escaped("ViGOS-7B"), latex_escaped("[1] <b>"))
    $-$1.3 $\pm$$\leq$0.5 ViGOS-7B {[}1] $<$b$>$
    """
    escaped = "".join(LATEX.get(char, char) for char in text)
    return MINUS.sub("$-$", escaped)


def latex_text(sections: Iterable[Section]) -> str:
    """The sections' tables as LaTeX (booktabs), each with its caption; lines and notes as comments."""
    blocks = ["% needs \\usepackage{booktabs}"]
    for section in sections:
        # A line break would end the comment and become LaTeX.
        comments = ["% " + " ".join(line.split()) for line in (*section.lines, *section.notes)]
        if section.table is None:
            blocks.append("\n".join(["% " + " ".join(section.title.split()), *comments]))
        else:
            blocks.append("\n".join([*comments, _latex_table(section.title, section.table)]))
    return "\n\n".join(blocks) + "\n"


def _latex_table(title: str, table: Table) -> str:
    def row(cells: Sequence[str]) -> str:
        return "  " + " & ".join(latex_escaped(cell) for cell in cells) + r" \\"

    lines = [
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{latex_escaped(title)}}}",
        f"  \\begin{{tabular}}{{{'l' * table.left}{'r' * (len(table.columns) - table.left)}}}",
        r"  \toprule",
        row(table.columns),
        r"  \midrule",
    ]
    for i, cells in enumerate(table.rows):
        if i == table.rule_before and i > 0:
            lines.append(r"  \midrule")
        lines.append(row(cells))
    lines += [r"  \bottomrule", r"  \end{tabular}", r"\end{table}"]
    return "\n".join(lines)
