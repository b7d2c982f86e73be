"""Run folders -> a report. `report_text` is the door; it needs neither lmms-eval, GPU nor network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vigos_eval.errors import ConfigError
from vigos_eval.report.formats import latex_text, markdown_text, terminal_text
from vigos_eval.report.numbers import csv_text, json_text
from vigos_eval.report.published import Comparison, compared_with_paper, paper_section
from vigos_eval.report.reproduction import reproduction_section
from vigos_eval.report.score_tables import (
    passes_section,
    score_section,
    side_by_side_sections,
    subgroup_sections,
    vilp_section,
)
from vigos_eval.report.sections import Section
from vigos_eval.report.shortcuts import flip_section, normal_run_of, survival_section
from vigos_eval.scored_run import ScoredRun, differing_fields, read_run

FORMATS = ("table", "md", "json", "csv", "latex")


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """What goes into a report.

    Attributes:
        format: One of FORMATS.
        paper: A published model to compare with, or None.
        is_with_passes: Every Pass@j.
        is_with_subgroups: Tables by subject, version, task, type.
        allow_ungraded: Print scores although more than 1 % of the questions are ungraded.
        is_coloured: Bold headings in a terminal.
    """

    format: str = "table"
    paper: str | None = None
    is_with_passes: bool = False
    is_with_subgroups: bool = True
    allow_ungraded: bool = False
    is_coloured: bool = False

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ConfigError(f"--format {self.format!r}; use one of {', '.join(FORMATS)}")


def report_text(runs: Sequence[ScoredRun], options: ReportOptions = ReportOptions()) -> str:
    """The report of one or several runs in the format asked for.

    Raises:
        ConfigError: No published figures under that name.
        RunFolderError: A control or partial run beside the paper.
        UnpairedRunsError: A control with other questions than its run.
    """
    papers: dict[Path, list[Comparison]] = {}
    if options.paper is not None:
        scored = [run for run in runs if run.control is None] or list(runs)
        papers = {
            run.folder: compared_with_paper(run, options.paper, options.allow_ungraded)
            for run in scored
        }
    if options.format == "json":
        return json_text(runs, papers, options.paper, options.allow_ungraded)
    if options.format == "csv":
        return csv_text(runs, papers, options.allow_ungraded)
    sections = list(report_sections(runs, options, papers))
    if options.format == "md":
        return markdown_text(sections)
    if options.format == "latex":
        return latex_text(sections)
    return terminal_text(sections, colour=options.is_coloured)


def report_sections(
    runs: Sequence[ScoredRun],
    options: ReportOptions,
    papers: Mapping[Path, Sequence[Comparison]],
) -> Iterator[Section]:
    """The sections of a report, in reading order; controls come last and never beside scores."""
    scored = [run for run in runs if run.control is None]
    for run in scored:
        sections = list(_run_sections(run, options))
        if options.paper is not None:
            sections.append(paper_section(run, options.paper, list(papers[run.folder])))
            sections.append(reproduction_section(run, options.paper))
        for section in sections:
            # A table that is cut out of a report of several runs still says whose it is.
            is_named = len(scored) == 1 or section.title.startswith(run.name)
            title = section.title if is_named else f"{section.title}: {run.name}"
            yield replace(section, title=title)
    if len(scored) > 1:
        yield from _several(scored, options)
    yield from _controls(runs, options.allow_ungraded)
    flips = flip_section(runs, options.allow_ungraded)
    if flips is not None:
        yield flips


def _run_sections(run: ScoredRun, options: ReportOptions) -> Iterator[Section]:
    yield Section(run.name, lines=tuple(_facts(run)))
    yield score_section(run, options.allow_ungraded)
    vilp = vilp_section(run, options.allow_ungraded)
    if vilp is not None:
        yield vilp
    if options.is_with_passes:
        yield passes_section(run, options.allow_ungraded)
    if options.is_with_subgroups:
        yield from subgroup_sections(run, options.allow_ungraded)


def _facts(run: ScoredRun) -> Iterator[str]:
    protocol = run.protocol
    judge = protocol.get("judge") or {}
    mode = judge.get("mode", "rules")
    judged_by = mode if mode == "rules" else f"{mode} ({judge.get('model')})"
    name = protocol.get("name")
    base = f" (from {protocol.get('base')})" if name == "custom" else ""
    yield f"checkpoint {run.settings['model'].get('pretrained', '?')}, engine {run.settings.get('engine', '?')}"
    yield (
        f"protocol {name}{base}: temperature {protocol.get('temperature')}, top-p "
        f"{protocol.get('top_p')}, top-k {protocol.get('top_k')}, "
        f"{protocol.get('max_new_tokens')} tokens, seed {protocol.get('seed')}"
    )
    yield f"graded by {judged_by}, folder {run.folder}"
    if run.settings["partial"]:
        yield f"PARTIAL ({run.cut_by}): no score of the benchmarks, never compared"
    if len(run.gradings) > 1:
        yield (
            f"MIXED GRADING ({', '.join(run.gradings)}): grade it again with "
            f"vigos-eval grade {run.folder}"
        )


def _several(runs: Sequence[ScoredRun], options: ReportOptions) -> Iterator[Section]:
    different = {
        field for run in runs[1:] for field in differing_fields(runs[0].protocol, run.protocol)
    }
    lines: tuple[str, ...] = ()
    if different:
        fields = ", ".join(sorted(different))
        lines = (f"The runs' protocols differ in {fields}: these columns do not compare.",)
    for section in side_by_side_sections(runs, options.allow_ungraded):
        yield Section(section.title, (*lines, *section.lines), section.table, section.notes)


def _controls(runs: Sequence[ScoredRun], allow_ungraded: bool) -> Iterator[Section]:
    for control in runs:
        if control.control is None:
            continue
        normal = normal_run_of(control, runs)
        if normal is not None:
            yield survival_section(normal, control, allow_ungraded)
        else:
            yield Section(
                f"{control.name}: control {control.control}, not a score",
                lines=(
                    "Give its run of the same model and protocol in the same report to see what "
                    "survives without the image: vigos-eval report RUN CONTROL",
                ),
            )


def write_report(folder: Path) -> Path:
    """Write report.md into a run folder, from its completions and verdicts; returns its path.

    Raises:
        RunFolderError: As `read_run`.
    """
    text = report_text([read_run(folder)], ReportOptions(format="md"))
    path = folder / "report.md"
    path.write_text(text, encoding="utf-8")
    return path
