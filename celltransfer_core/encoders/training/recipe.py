"""The settings of a training: options in, a checked :class:`Recipe` out. Not in the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from celltransfer_core.errors import EncoderError

if TYPE_CHECKING:
    from celltransfer_core.encoders.training.network import View


@dataclass(frozen=True)
class Recipe:
    """The settings of a training; with the cells they decide its result.

    Parameters
    ----------
    views : tuple of {'colour', 'standardised', 'grey'}
        One network is trained for each.
    steps : tuple of int
        Of all networks, or one number for each; 0 leaves them as ``begin_with`` has them.
    batch : int
        Cells of a step, each seen through two microscopes.
    width : int
        Channels of a network's first layer; its weights grow with the square.
    learning_rate : float
        Its maximum.
    seed : int
    teacher_width : int
        Of wider networks, one for each view, that are trained first and distilled; 0 for none.
    teacher_steps : int
        Of every wider network.
    begin_with : str
        ONNX file of an earlier training with these views and this width, whose weights the networks
        begin with; nothing for random ones.
    last_steps : int
        Of a last layer over all networks, which learns when they are done; 0 for none.
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
    """Make a recipe from options; those that are not given take their defaults.

    Parameters
    ----------
    **options
        Of :class:`Recipe`; None for the default.

    Returns
    -------
    Recipe

    Raises
    ------
    EncoderError
        If a view is not known or comes twice, or a number is out of range.
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
