"""Compare options on a set with altered stain, blur and size, the only one used for tuning.

    python tests/benchmarks/shifted.py --data DIR [--set pbc] [--domains 4] [--encoders A,B+C]
        [--slides 1] [--through 0]

Some cells of one labelled set are the reference. Others are drawn in unequal proportions, altered
as by another stain, camera and scanner (each of several slides has a different light) and, with
--through, seen through this number of simulated microscopes that `encoders train` holds out (much
harder). They are typed without confirmation, with every second cluster confirmed by a perfect
reader, and with all confirmed. Defaults that cannot be checked on unlabelled runs are chosen here,
so that the sets used for reported results do not influence the choice. The last line is the mean of
accuracy and balanced accuracy of the best option.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from PIL import Image, ImageFilter

from celltransfer_core.config import DEFAULT
from celltransfer_core.data import read_dataset
from celltransfer_core.encoders import parse_encoders
from celltransfer_core.encoders.training import FIELD, HELD_BACK, held_back_view
from celltransfer_core.evaluation import majority_types, score, true_labels
from celltransfer_core.matching import Confirmation
from celltransfer_core.pipeline import run
from celltransfer_core.runtime import Cache

REFERENCE_CELLS = 120  # a type
QUERY_CELLS = 500
QUERY_TYPES = 5

VARIANTS = {
    "default": {},
    "prior": {"vote_weights": "prior"},
    "equal": {"vote_weights": "equal"},
    "eq. 4": {"mapping": "barycentric"},
    "no transport": {"alignment": "none"},
    "uniform, equal": {"weights": "uniform", "vote_weights": "equal"},
    "neighbours alike": {"class_weight": "none"},
    "colours by set": {"colour": "lab"},
    "own colours": {"colour": "none"},
    "own colours, no transport": {"colour": "none", "alignment": "none"},
}


def alter(image: np.ndarray, style: dict, rng: np.random.Generator) -> bytes:
    """Photograph a cell as another laboratory would."""
    for microscope in style["microscopes"]:
        side = max(image.shape[:2])  # with room around it: a view shows the middle
        room = [(round(side * FIELD) - edge) // 2 for edge in image.shape[:2]]
        image = np.pad(image, (*((edge, edge) for edge in room), (0, 0)), mode="edge")
        image = held_back_view(image, microscope, side)
    density = -np.log((image.astype(np.float32) + 1) / 256) @ style["stain"]
    light = 256 * np.exp(-density) * style["white"] - 1
    light = 255 * (np.clip(light, 0, 255) / 255) ** style["gamma"]
    light += rng.normal(0, style["noise"], light.shape)
    made = Image.fromarray(np.clip(light, 0, 255).astype(np.uint8))
    made = made.filter(ImageFilter.GaussianBlur(style["blur"]))
    width, height = made.size
    field = style["field"]  # cut away, or shown around: the cell is another share of its image
    box = [round(side * (1 - field) / 2) for side in (width, height)]
    made = made.crop((box[0], box[1], width - box[0], height - box[1]))
    made = made.resize([max(24, round(side * style["scale"])) for side in made.size])
    buffer = io.BytesIO()
    made.save(buffer, "JPEG", quality=int(style["quality"]))
    return buffer.getvalue()


def draw_style(rng: np.random.Generator, through: int = 0) -> dict:
    """Draw another laboratory, that looks through so many held-back microscopes."""
    stain = np.eye(3) * rng.uniform(0.6, 1.5, 3) + rng.uniform(-0.12, 0.12, (3, 3))
    return {
        "stain": stain.astype(np.float32),
        "white": rng.uniform(0.85, 1.05, 3).astype(np.float32),
        "gamma": rng.uniform(0.75, 1.35),
        "noise": rng.uniform(0, 5),
        "blur": rng.uniform(0, 1.8),
        "field": rng.uniform(0.65, 1.0),
        "scale": rng.uniform(0.3, 1.0),
        "quality": rng.uniform(60, 95),
        "microscopes": [*map(str, rng.permutation([*HELD_BACK])[:through])] if through else [],
    }


def draw_slides(style: dict, slides: int, rng: np.random.Generator) -> list[dict]:
    """Draw further slides of a laboratory: other light, and somewhat more or less of the stain."""
    drawn = [style]
    for _ in range(slides - 1):
        light = rng.uniform(0.55, 1.05, 3).astype(np.float32)
        stain = np.float32(rng.uniform(0.75, 1.3)) * rng.uniform(0.9, 1.1, 3).astype(np.float32)
        drawn.append({**style, "white": style["white"] * light, "stain": style["stain"] * stain})
    return drawn


def of_any(slides: list[dict], rng: np.random.Generator) -> dict:
    """Take one of the slides at random."""
    return slides[rng.integers(len(slides))] if len(slides) > 1 else slides[0]


def options_of(description: str, domains: int) -> argparse.ArgumentParser:
    """Make the parser of what every benchmark on altered sets takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the set")
    parser.add_argument("--set", default="pbc")
    parser.add_argument("--domains", type=int, default=domains)
    parser.add_argument("--encoders", type=parse_encoders, default=DEFAULT.encoders)
    parser.add_argument("--slides", type=int, default=1, help="a query is made of")
    parser.add_argument("--through", type=int, default=0, help="so many held-back microscopes")
    return parser


def main() -> None:
    options = options_of(__doc__.splitlines()[0], domains=4).parse_args()
    base = replace(DEFAULT, encoders=options.encoders)

    whole = read_dataset(options.data / options.set, labelled=True)
    labels = np.array(whole.labels)
    types = np.unique(labels)
    cache = Cache()
    table: dict[str, list[tuple[float, float]]] = {}
    for domain in range(options.domains):
        rng = np.random.default_rng(domain)
        slides = draw_slides(draw_style(rng, options.through), options.slides, rng)
        shares = np.zeros(len(types))
        shares[rng.permutation(len(types))[:QUERY_TYPES]] = rng.dirichlet(np.full(QUERY_TYPES, 1.5))
        with tempfile.TemporaryDirectory() as folder:
            kept = []
            for name, share in zip(types, shares, strict=True):
                order = rng.permutation(np.flatnonzero(labels == name))
                kept += order[:REFERENCE_CELLS].tolist()
                into = Path(folder, name)
                into.mkdir()
                rest = order[REFERENCE_CELLS:][: round(QUERY_CELLS * share)]
                for cell in rest.tolist():
                    image = np.asarray(Image.open(whole.root / whole.files[cell]).convert("RGB"))
                    (into / f"{cell}.jpg").write_bytes(alter(image, of_any(slides, rng), rng))
            kept.sort()
            reference = replace(
                whole,
                files=tuple(whole.files[i] for i in kept),
                sha256=tuple(whole.sha256[i] for i in kept),
                labels=tuple(whole.labels[i] for i in kept),
            )
            query = read_dataset(Path(folder))
            truth = true_labels(query)
            for name, changes in VARIANTS.items():
                found = run(reference, query, replace(base, **changes), cache=cache)
                outcome = score(truth, np.array(found.predicted))
                table.setdefault(name, []).append((outcome.accuracy, outcome.balanced_accuracy))
                words = [
                    Confirmation(number, answer)
                    for number, answer in enumerate(majority_types(found.clusters.labels, truth))
                ]
                for reader, said in (("every second", words[::2]), ("every", words)):
                    again = run(
                        reference, query, replace(base, **changes), confirmations=said, cache=cache
                    )
                    outcome = score(truth, np.array(again.predicted))
                    table.setdefault(f"{name}, {reader} confirmed", []).append(
                        (outcome.accuracy, outcome.balanced_accuracy)
                    )
        print(f"domain {domain}: done", file=sys.stderr, flush=True)
    print(f"accuracy / balanced accuracy in percent, mean of {options.domains} domains")
    for name, figures in table.items():
        each = "  ".join(f"{a:5.1f}/{b:5.1f}" for a, b in figures)
        print(f"{name:<38} {np.mean(figures, axis=0).round(1)}   {each}")
    best = max(VARIANTS, key=lambda name: np.mean(table[name]))
    print(f"best without a reader: {best}, {np.mean(table[best]):.1f}")


if __name__ == "__main__":
    main()
