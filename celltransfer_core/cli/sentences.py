"""What the commands tell on the terminal: a set, a run, an evaluation, in a few lines each."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from celltransfer_core.data.dataset import Dataset
    from celltransfer_core.evaluation.result import Evaluation
    from celltransfer_core.pipeline.result import RunResult


def describe_dataset(name: str, dataset: Dataset) -> str:
    """Describe in a few lines what a set holds and what was left out.

    Parameters
    ----------
    name : str
    dataset : Dataset

    Returns
    -------
    str
    """
    lines = [f"{name}: {dataset.n_cells:,} cells"]
    if dataset.labels is not None:
        import numpy as np

        found = zip(*np.unique(dataset.cell_labels, return_counts=True), strict=True)
        lines[0] += " (" + ", ".join(f"{label} {count:,}" for label, count in found) + ")"
    if dataset.duplicates:
        example = " = ".join(dataset.duplicates[0])
        lines.append(f"  {len(dataset.duplicates)} images stand there more than once ({example})")
    lines += _shortened("left out", [f"{r.file}: {r.reason}" for r in dataset.left_out])
    lines += _shortened("note", [f"{r.file} {r.reason}" for r in dataset.notes])
    return "\n".join(lines)


def _shortened(what: str, remarks: Sequence[str], most: int = 5) -> list[str]:
    lines = [f"  {what}: {remark}" for remark in remarks[:most]]
    if len(remarks) > most:
        lines.append(f"  {what}: {len(remarks) - most} more, see manifest.json")
    return lines


_FILES_OF_A_TYPE = 4


def _new_types(result: RunResult) -> list[str]:
    """List the types that only a person named, each with a known one that it may stand for."""
    from celltransfer_core.pipeline.result import type_names

    known = type_names(result.reference)
    found = []
    for name in result.types:
        if name not in known:
            like = get_close_matches(name.lower(), known, n=1)
            found.append(f"{name} (did you mean {like[0]}?)" if like else name)
    return found


def describe_run(result: RunResult) -> str:
    """Describe the outcome of a run for the screen.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    str
    """
    import numpy as np

    from celltransfer_core.outputs.sentences import missing_transport
    from celltransfer_core.pipeline.votes import has_alignment

    lines = ["", f"framing: {result.framing.reason}"]
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
    if result.filtered:
        left = ", ".join(f"{name} ({count:,} cells)" for name, count in result.filtered.items())
        lines += ["", f"types that no cluster matches, left out: {left}"]
        for name in result.filtered:
            cells = result.alike[scores.types.index(name)][:_FILES_OF_A_TYPE]
            files = ", ".join(result.query.first_file[cell] for cell in cells)
            lines.append(f"  query cells most like {name}: {files}")
        lines.append("  if one of them is of its type, run again with --keep and the type")
    elif result.config.filtering == "auto" and len({m.matched_type for m in result.matches}) < 2:
        lines += ["", "fewer than two types were matched: all are kept"]
    if not result.aligned and has_alignment(result.config):
        why = missing_transport(result)
        lines += ["", f"{why} --transport always computes it all the same."]
    remarks = [(solve.voter, remark) for solve in result.solves for remark in solve.log.remarks]
    for voter, remark in dict.fromkeys(remarks):
        lines.append(f"transport of {voter}: {remark} ({remarks.count((voter, remark))} times)")
    if result.updated:
        annotations = result.updated.annotations
        lines.append(
            f"\nupdated with annotations: clusters confirmed {len(annotations.clusters)}, "
            f"cells typed {len(annotations.cells)}"
        )
        lines += [f"a type that the reference lacks: {name}" for name in _new_types(result)]
        for position in result.updated.doubted_clusters:
            name = dict(annotations.clusters)[position]
            lines.append(
                f"cluster {result.clusters.names[position]}: look again whether it is {name}; to "
                "the encoders it looks different"
            )
    predicted = np.array(result.predicted)
    lines += ["", f"{'predicted type':<24} {'cells':>6} {'percent':>8}"]
    for name in result.types:
        count = int((predicted == name).sum())
        lines.append(f"{name:<24} {count:>6} {100 * count / len(predicted):>7.1f}%")
    flagged = int(result.flagged.sum())
    lines.append(
        f"flagged for review: {flagged} of {len(predicted)} cells "
        f"(agreement under {result.config.flag_threshold:g}, or in a cluster of none)"
    )
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
    return "\n".join(lines)
