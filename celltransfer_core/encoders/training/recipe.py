"""Check the settings of a training and collect them in a :class:`Recipe`. Not in the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from celltransfer_core.errors import EncoderError

if TYPE_CHECKING:
    from celltransfer_core.encoders.training.network import View


@dataclass(frozen=True)
class Recipe:
    """The settings of a training, which determine its result together with the cells.

    Parameters
    ----------
    views : tuple of {'colour', 'standardised', 'grey'}
        One network is trained per view.
    steps : tuple of int
        Number of steps of all networks, or of each; 0 keeps the weights of ``begin_with``.
    batch : int
        Number of cells per step, each seen through two microscopes.
    width : int
        Number of channels of the first layer; the number of weights grows with its square.
    learning_rate : float
        Maximum learning rate.
    seed : int
    teacher_width : int
        Width of larger networks, one per view, that are trained first and distilled; 0 for none.
    teacher_steps : int
        Number of steps of each teacher network.
    begin_with : str
        ONNX file of an earlier training with the same views and width, which provides the initial
        weights; empty for random weights.
    last_steps : int
        Number of steps of a last layer over all trained networks; 0 for no last layer.
    """

    views: tuple[View, ...] = ("colour", "standardised")
    steps: tuple[int, ...] = (5000,)
    batch: int = 128
    width: int = 24
    learning_rate: float = 3e-3
    seed: int = 0
    teacher_width: int = 0
    teacher_steps: int = 5000
    begin_with: str = ""
    last_steps: int = 0


def recipe_from(**options: Any) -> Recipe:
    """Make a recipe from options, with defaults for options that are not given.

    Parameters
    ----------
    **options
        Fields of :class:`Recipe`; None for the default.

    Returns
    -------
    Recipe

    Raises
    ------
    EncoderError
        If a view is unknown or given twice, or a number is out of range.
    """
    from celltransfer_core.encoders.training.network import VIEWS

    recipe = Recipe(**{name: value for name, value in options.items() if value is not None})
    for view in recipe.views:
        if view not in VIEWS or recipe.views.count(view) > 1:
            raise EncoderError(
                f"--views takes some of {', '.join(VIEWS)}, each once; not {view!r}."
            )
    if len(recipe.steps) not in (1, len(recipe.views)):
        raise EncoderError(
            f"--steps takes one number, or one for each of --views {','.join(recipe.views)}."
        )
    least = 0 if recipe.begin_with else 2
    if min(recipe.steps) < least or min(recipe.teacher_steps, recipe.batch) < 2 or recipe.width < 4:
        raise EncoderError(
            "--steps, --teacher-steps and --batch must be at least 2, --width at least 4; --steps "
            "can be 0 with --begin-with."
        )
    if recipe.last_steps < 0:
        raise EncoderError("--last-steps must be at least 0.")
    if not 0 < recipe.learning_rate < 1:
        raise EncoderError("--learning-rate takes a number above 0 and below 1.")
    if recipe.teacher_width and recipe.teacher_width < recipe.width:
        raise EncoderError(
            f"--teacher-width must be 0, for no teachers, or at least --width ({recipe.width})."
        )
    return recipe
