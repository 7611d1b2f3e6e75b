"""Terminal output of the commands: a set, a run, an evaluation, in a few lines each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from celltransfer_core.vocabulary import FIRST, MANY, and_more

if TYPE_CHECKING:
    from celltransfer_core.data.dataset import Dataset, Remark
    from celltransfer_core.evaluation.result import Evaluation
    from celltransfer_core.people.reviews import Review
    from celltransfer_core.pipeline.reference_check import ReferenceCheck
    from celltransfer_core.pipeline.result import RunResult


def describe_dataset(name: str, dataset: Dataset) -> str:
    """Describe in a few lines what a set contains and what was left out.

    Parameters
    ----------
    name : str
    dataset : Dataset

    Returns
    -------
    str
    """
    from celltransfer_core.data.scales import describe_scale

    lines = [f"{name}: {dataset.n_cells:,} cells"]
    if dataset.labels is not None:
        import numpy as np

        from celltransfer_core.data.type_names import plurals

        found = zip(*np.unique(dataset.cell_labels, return_counts=True), strict=True)
        types = [f"{label} {count:,}" for label, count in found]
        of = f"; {len(types)} types" if len(types) > MANY else ""
        lines[0] += f" ({and_more(types)}{of})"
        endings = [f"{one} and {other}" for one, other in plurals({*dataset.cell_labels.tolist()})]
        if endings:
            lines.append(
                f"  one type or two? {and_more(endings)}; if they are the same, write them in "
                "the same way"
            )
    if dataset.duplicates:
        example = " = ".join(dataset.duplicates[0])
        count = len(dataset.duplicates)
        more = f"{count} {'image appears' if count == 1 else 'images appear'} more than once"
        lines.append(f"  {more} ({example})")
    lines += [f"  {said}" for scale in dataset.scales if (said := describe_scale(scale))]
    lines += _passed_over(dataset.left_out)
    lines += _shortened("note", _by_reason(dataset.notes))
    return "\n".join(lines)


def _passed_over(remarks: Sequence[Remark]) -> list[str]:
    """Count what was left out, and name files that were opened or have no type."""
    from celltransfer_core.data.passed_over import count_passed_over, kind_problem

    if not remarks:
        return []
    kinds = [
        f"{one.files:,} {one.extension} ({one.reason})".replace("  ", " ")
        for one in count_passed_over(remarks, folders=False)
    ]
    files = "1 file" if len(remarks) == 1 else f"{len(remarks):,} files"
    named = [f"{r.file}: {r.reason}" for r in remarks if r.reason != kind_problem(r.file)]
    return [f"  {files} passed over: {and_more(kinds)}", *_shortened("left out", named)]


def _by_reason(remarks: Sequence[Remark]) -> list[str]:
    """List each reason once, with its file or the number of files."""
    files: dict[str, list[str]] = {}
    for remark in remarks:
        name = "the folder" if remark.file == "." else remark.file
        files.setdefault(remark.reason, []).append(name)
    return [
        f"{names[0]} {reason}"
        if len(names) == 1
        else f"{len(names):,} files, such as {names[0]}: each {reason}"
        for reason, names in files.items()
    ]


def _shortened(what: str, remarks: Sequence[str], most: int = 5) -> list[str]:
    lines = [f"  {what}: {remark}" for remark in remarks[:most]]
    if len(remarks) > most:
        lines.append(f"  {what}: {len(remarks) - most} more, see manifest.json")
    return lines


_TYPED = (0, 20, 50)  # answers from which figures are shown
_FILES_OF_A_TYPE = 4

MOST_TYPES = 40
"""Types listed in the table of predictions on the screen."""


def _new_types(result: RunResult) -> list[str]:
    """List the types that only a person named, each with the most similar known type."""
    from celltransfer_core.data.type_names import close_match
    from celltransfer_core.pipeline.result import type_names

    known = type_names(result.reference)
    found = []
    for name in result.types:
        if name not in known:
            like = close_match(name, known)
            found.append(f"{name} (did you mean {like}?)" if like else name)
    return found


_WORST = 10

_WHY = {
    "label": "have a suspicious label",
    "duplicate": "look like cells of another label",
    "no nucleus": "have no detectable nucleus",
    "blurred": "are blurred",
    "dark": "are too dark",
    "bright": "are too bright",
    "cut off": "are cut off at the border",
    "outlier": "are unlike all others",
}


def describe_check(found: ReferenceCheck) -> str:
    """Describe the result of a reference check, with the most doubtful cells.

    Parameters
    ----------
    found : ReferenceCheck

    Returns
    -------
    str
    """
    cells, reference = found.suspects, found.reference
    reasons = [reason for cell in cells for reason in found.reasons[cell]]
    counts = [f"{reasons.count(r):,} {why}" for r, why in _WHY.items() if r in reasons]
    lines = [f"{len(cells):,} of {reference.n_cells:,} cells need a check"]
    lines[0] += f": {', '.join(counts)}" if counts else ""
    if torn := len(found.contradictions):
        lines.append(f"{torn:,} files are left out: the same image appears under several types")
    for cell in cells[:_WORST].tolist():
        label, proposed = reference.cell_labels[cell], found.proposed[cell]
        said = f"{label}, proposed {proposed}" if label != proposed else label
        share = 100 * found.probabilities[cell].max()
        lines.append(f"  {reference.first_file[cell]}: {said} ({share:.0f} %)")
    if len(cells) > _WORST:
        lines.append(f"  and {len(cells) - _WORST:,} more: --out DIR writes check.csv with all")
    return "\n".join(lines)


def describe_run(result: RunResult, reviews: Sequence[Review] = ()) -> str:
    """Describe the result of a run for the screen.

    Parameters
    ----------
    result : RunResult
    reviews : sequence of Review, optional
        In the order they were made.

    Returns
    -------
    str
    """
    import numpy as np

    from celltransfer_core.framing.quality import judge_quality
    from celltransfer_core.outputs.drift import NO_SLIDE_DIFFERS, OTHER_SLIDES, describe_drift
    from celltransfer_core.outputs.expectation import describe_expected, describe_poor
    from celltransfer_core.outputs.quality import describe_faults, describe_shifts
    from celltransfer_core.outputs.sentences import (
        describe_flags,
        describe_nearest,
        describe_ruled_out,
        missing_transport,
    )
    from celltransfer_core.pipeline.between_slides import drift_between_slides
    from celltransfer_core.pipeline.expected import expected_accuracy
    from celltransfer_core.pipeline.votes import has_alignment

    lines = ["", f"framing: {result.framing.reason}"]
    if result.nearest:
        lines.append(f"reference sets: {describe_nearest(result.nearest, result.config.absent)}")
    if quality := judge_quality(result.framing, result.reference, result.query):
        told = [one.rstrip(".") for one in describe_faults(quality).values()]
        lines.append(f"quality: {'; '.join(told) or 'no cell is conspicuous'} (quality.csv)")
        lines += [f"quality: {one}" for one in describe_shifts(quality.shifts)]
    if drift := drift_between_slides(result, reviews):
        told = describe_drift(drift, OTHER_SLIDES) or [NO_SLIDE_DIFFERS]
        lines += [f"drift between slides: {one}" for one in told]
    lines += [f"encoder {f.encoder} was left out: {f.reason}" for f in result.failures]
    scores = result.scores["query"]
    unused = [name for name, kept in zip(scores.encoders, scores.kept, strict=True) if not kept]
    if unused:
        lines.append(f"without signal for matching: {', '.join(unused)}")
    lines += ["", f"{'cluster':>7} {'cells':>6}  {'matched type':<24} {'score':>5}  runner-up"]
    for name, match in zip(result.clusters.names, result.matches, strict=True):
        matched = match.matched_type + (" (confirmed)" if match.confirmed else "")
        lines.append(
            f"{name:>7} {match.cells:>6}  {matched:<24} {match.score:>5.2f}  "
            f"{match.runner_up} {match.runner_up_score:.2f}"
        )
        if match.reason:
            lines.append(f"{'':>15}  t-SNE proposes {match.tsne_type}: {match.reason}")
    if absent := [name for name in result.filtered if name in result.config.absent]:
        lines += ["", f"types that are ruled out: {and_more(absent)}"]
    for sentence in describe_ruled_out(result).values():
        lines.append(f"  {sentence} If so, run again without --absent for that type.")
    unmatched = {n: count for n, count in result.filtered.items() if n not in absent}
    if unmatched:
        left = and_more([f"{name} ({count:,} cells)" for name, count in unmatched.items()])
        lines += ["", f"types matched by no cluster, left out: {left}"]
        for name in [*unmatched][: FIRST if len(unmatched) > MANY else MANY]:
            cells = result.alike[scores.types.index(name)][:_FILES_OF_A_TYPE]
            files = ", ".join(result.query.first_file[cell] for cell in cells)
            lines.append(f"  query cells most similar to {name}: {files}")
        lines.append("  if one of them is of this type, run again with --keep and the type")
    elif result.config.filtering == "auto" and len({m.matched_type for m in result.matches}) < 2:
        lines += ["", "fewer than two types were matched: all are kept"]
    if not result.aligned and has_alignment(result.config):
        why = missing_transport(result)
        lines += ["", f"{why} Use --transport always to compute it anyway."]
    remarks = [(solve.voter, remark) for solve in result.solves for remark in solve.log.remarks]
    for voter, remark in dict.fromkeys(remarks):
        lines.append(f"transport of {voter}: {remark} ({remarks.count((voter, remark))} times)")
    if result.updated:
        annotations = result.updated.annotations
        lines.append(
            f"\nupdated with answers: clusters confirmed {len(annotations.clusters)}, cells typed "
            f"{len(annotations.cells)}"
        )
        lines += [f"a type that the reference lacks: {name}" for name in _new_types(result)]
        for position in result.updated.doubted_clusters:
            name = dict(annotations.clusters)[position]
            lines.append(
                f"cluster {result.clusters.names[position]}: check whether it is {name}; to the "
                "encoders it looks different"
            )
    predicted = np.array(result.predicted)
    lines += ["", f"{'predicted type':<24} {'cells':>6} {'percent':>8}"]
    counts = {name: int((predicted == name).sum()) for name in result.types}
    most = sorted(counts, key=lambda name: -counts[name])[:MOST_TYPES]
    for name in (name for name in counts if name in most):
        lines.append(f"{name:<24} {counts[name]:>6} {100 * counts[name] / len(predicted):>7.1f}%")
    if rest := len(counts) - len(most):
        cells = len(predicted) - sum(counts[name] for name in most)
        lines.append(f"and {rest:,} more types with {cells:,} cells: see predictions.csv")
    for name, shown in result.to_show.items():
        lines.append(
            f"{name} must not be missed: {counts[name]:,} cells are predicted as {name}, "
            f"{int(shown.sum()):,} more may be of this type and are flagged (column may_be:{name})"
        )
    lines.append(describe_flags(result.flags))
    expected = expected_accuracy(result, reviews)
    lines += filter(None, (describe_expected(expected), describe_poor(expected)))
    return "\n".join(lines)


def describe_evaluation(evaluation: Evaluation) -> str:
    """Describe an evaluation for the screen: its notes, ensembles and yardsticks.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    str
    """
    lines = [f"- {note}" for note in evaluation.notes]
    lines += ["", f"{'method':<28} {'ot':<10} {'filtering':<9} {'acc.':>6} {'F1':>6} {'bal.':>6}"]
    for row in evaluation.rows:
        if not row.method.startswith(("knn:", "linear:", "nmtune:")):
            lines.append(
                f"{row.method:<28} {row.ot:<10} {row.filtering:<9} {row.accuracy:>6.1f} "
                f"{row.f1:>6.1f} {row.balanced_accuracy:>6.1f}"
            )
    if evaluation.reading:
        lines += ["", "after a reader's answers, in percent of all cells (details in reader.csv):"]
        lines += [
            f"  clusters confirmed, {point.answers:>2} cells typed: {point.accuracy:.1f}, balanced "
            f"{point.balanced_accuracy:.1f}"
            for point in evaluation.reading.points
            if point.order == "queue" and point.answers in _TYPED
        ]
    return "\n".join(lines)
