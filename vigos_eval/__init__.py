"""ViGOS evaluation: an lmms-eval plugin, a grader, and results one can act on.

Importing this package loads nothing heavy; see docs/architecture.md for the modules.
"""

__version__ = "0.1.0"
