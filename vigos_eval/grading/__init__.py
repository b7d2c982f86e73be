"""Answers -> verdicts. `grade` decides by rules; `run.grade_records` adds the judge for a run."""

from __future__ import annotations

from vigos_eval.grading.cascade import grade

__all__ = ["grade"]
