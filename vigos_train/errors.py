"""Training's own ending: the run cannot go on, and the user can do something about it."""

from vigos_eval.errors import UserError


class TrainingStopped(UserError):
    """The run was stopped early: a loss that is no number, or rollouts that are all malformed."""
