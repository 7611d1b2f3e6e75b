"""Export: take results away, repeat them elsewhere, sign the study off."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import common
import pandas as pd
import streamlit as st
import words

from celltransfer_core.about import RESEARCH_USE
from celltransfer_core.outputs import (
    About,
    Pseudonyms,
    StudyTables,
    command_line,
    csv_bytes,
    formats,
    images,
    parquet_bytes,
    report_html,
)
from celltransfer_core.pipeline import CellPlane
from celltransfer_core.runtime import write_atomically
from celltransfer_core.studies import (
    current_job,
    export_path,
    load_map,
    preparation,
    stage_keys,
    start_preparation,
)
from celltransfer_core.types import Progress
from celltransfer_core.web import file_url

FIRST_ROWS = 5

space = common.workspace()
here = common.title(
    "Export",
    "Take the typed cells away as tables, pictures or a report, and sign the study off when it is "
    "done.",
)


@st.cache_resource(max_entries=24, show_spinner=False)
def table(key: str, hidden: bool, name: str, _taken: StudyTables) -> pd.DataFrame:  # noqa: ARG001
    """Make a table, once for all that decides it."""
    return getattr(_taken, name)()


def file_name(what: str) -> str:
    """Name a file for the study that it is of."""
    return f"{re.sub(r'[^A-Za-z0-9]+', '-', here.name).strip('-').lower() or 'study'}-{what}"


def preview(made: pd.DataFrame) -> None:
    """Show the first rows; names of files may tell types and are shown on demand."""
    private = [name for name in ("file", "sha256") if name in made]
    shown = made.head(FIRST_ROWS)
    if private and not (hidden or with_names):
        shown = shown.drop(columns=private)
    st.dataframe(shown, hide_index=True)
    told = f"The first {len(shown)} of {len(made):,} rows" if len(made) > len(shown) else "All rows"
    without = ", without names of files" if len(shown.columns) < len(made.columns) else ""
    st.caption(f"{told}{without}; {len(made.columns)} columns.")


def offer(name: str, heading: str, says: str, *kinds: str, file: str | None = None) -> None:
    """Offer a table with a preview."""
    with st.container(border=True):
        st.markdown(f"**{heading}**  \n{says}")
        made = table(what, hidden, name, taken)
        with st.expander("Preview"):
            preview(made)
        writers: dict[str, tuple[str, Callable[[], bytes]]] = {
            "CSV": ("csv", lambda: csv_bytes(made, guarded=True)),
            "Parquet": ("parquet", lambda: parquet_bytes(made)),
        }
        with st.container(horizontal=True):
            for kind in kinds:
                suffix, write = writers[kind]
                st.download_button(
                    kind,
                    write,
                    file or file_name(f"{name}.{suffix}"),
                    key=f"{name} {kind}",
                    icon=":material/download:",
                    on_click="ignore",
                )
            if name == "cells":
                prepared("h5ad", ".h5ad", "h5ad", write_h5ad)


def write_h5ad(path: Path, progress: Progress) -> None:  # noqa: ARG001
    """Write the cells as AnnData."""
    formats.write_h5ad(taken.cells(), taken.manifest, path)


def write_images(path: Path, progress: Progress) -> None:
    """Write every image into its type's folder."""
    images.write_images(
        taken.run.query,
        taken.final.final.tolist(),
        path,
        pseudonyms=taken.pseudonyms,
        progress=progress,
    )


def write_report(path: Path, progress: Progress) -> None:
    """Write the report."""
    about = About(here.name, here.drawn, here.signed_by, here.signed or "")
    text = report_html(
        taken.run,
        taken.reviews,
        about,
        plane=CellPlane(plane.xy, plane.sets, plane.cells) if plane else None,
        pseudonyms=taken.pseudonyms,
        progress=progress,
    )
    write_atomically(path, text.encode())


@st.fragment(run_every=1.0)
def follow(path: Path, label: str) -> None:
    """Show how far a file is until it is there."""
    state = preparation(path)
    if state is None or state.problem:
        st.rerun()
    share = state.done / state.total if state.total else 0.0
    count = f" {state.done:,} of {state.total:,}" if state.total > 1 else ""
    st.progress(
        share, text=f"Preparing the {label} file…{count} You can leave this page meanwhile."
    )


def prepared(name: str, suffix: str, label: str, write: Callable[[Path, Progress], object]) -> None:
    """Offer a file that takes time: prepare it on a click, then give it away."""
    variant = f"{name}-pseudonyms" if hidden else name
    path = export_path(space, here.id, variant, suffix, what, here.name, here.signed)
    state = preparation(path)
    if path.is_file() and state is None:
        st.link_button(
            f"{label} ({words.size(path.stat().st_size)})",
            file_url(space, here.id, path, file_name(f"{name}{suffix}")),
            icon=":material/download:",
        )
    elif state is not None and not state.problem:
        follow(path, label)
    else:
        if state is not None:
            st.error(state.problem)
        if st.button(
            f"Prepare the {label} file", key=f"prepare {name}", icon=":material/hourglass_top:"
        ):
            start_preparation(path, write)
            st.rerun()


def offer_images() -> None:
    """Offer the images, by type."""
    with st.container(border=True):
        st.markdown(
            "**Images by type**  \nOne folder a final type, in a zip. Images are written anew as "
            "8-bit PNG at their own size, so that nothing that the files held beside the picture "
            "goes with them. Writing that is part of a picture stays in it."
        )
        with st.expander("Preview"):
            counts = Counter(taken.final.final[taken.run.query.cell_index].tolist())
            rows = [{"Folder": name, "Images": count} for name, count in sorted(counts.items())]
            st.dataframe(pd.DataFrame(rows), hide_index=True)
        prepared("images", ".zip", "zip", write_images)


def offer_report() -> None:
    """Offer the report."""
    with st.container(border=True):
        st.markdown(
            "**Report**  \nOne HTML file that opens without this program and without a network: "
            "every plot, the clusters with pictures of their cells, what reviews say, and the "
            "manifest."
        )
        with st.expander("Preview"):
            confirmed = sum(match.confirmed for match in taken.run.matches)
            st.markdown(
                f"- Composition and differential count, before and after review\n"
                f"- {len(taken.run.matches)} clusters with pictures, {confirmed} confirmed\n"
                f"- Similarities, maps and {len(taken.run.voters)} voters\n"
                f"- {len(taken.reviews):,} answers of readers, and the accuracy they stand for\n"
                f"- Manifest and command line\n"
                f"- “{RESEARCH_USE}”"
            )
        prepared("report", ".html", "HTML", write_report)


def offer_repeat() -> None:
    """Show how to get the same result from a shell."""
    with st.container(border=True):
        st.markdown(
            "**Repeat it on the command line**  \nPut the same images into the folders `reference` "
            "(one sub-folder a type) and `query`, save the clusters, the matches and the answers "
            "above as `clusters.csv`, `matches.csv` and `reviews.csv` beside them, and run this. "
            "It gives the same predictions, if the transport above was made to these matches."
        )
        extras = [one.name for one in space.sets(here.id, "extra")]
        st.code(
            command_line(
                taken.run.config,
                extras=extras,
                reviews="reviews.csv" if taken.reviews else None,
            ),
            language="bash",
            wrap_lines=True,
        )
        if hidden:
            st.caption(
                "Save clusters.csv and reviews.csv without pseudonyms for this: they must name "
                "your own files."
            )
        if any(one.mapping for one in space.sets(here.id, "reference")):
            st.caption("Types were renamed in this study: name the sub-folders as it does.")
        with st.expander("Manifest"):
            st.json(taken.manifest, expanded=1)
        st.download_button(
            "Manifest (JSON)",
            lambda: (json.dumps(taken.manifest, indent=1, ensure_ascii=False) + "\n").encode(),
            file_name("manifest.json"),
            key="manifest",
            icon=":material/download:",
            on_click="ignore",
        )


def offer_signature() -> None:
    """Let the study be signed off."""
    st.header("Sign off")
    if here.signed:
        st.success(
            f"Signed off by {words.plain(here.signed_by)} on {words.when(here.signed)}.",
            icon=":material/verified:",
        )
        return
    answered = int((taken.final.reviewed != "").sum())
    waiting = int((taken.run.flagged & (taken.final.reviewed == "")).sum())
    disputed = int(taken.final.disputed.sum())
    st.markdown(
        f"{answered:,} of {taken.run.query.n_cells:,} cells are reviewed; {waiting:,} flagged "
        f"cells are not, and readers dispute {disputed:,}. After signing, nothing in this study "
        "can be changed by anybody; it can be read, exported and duplicated."
    )
    job = current_job(space, here.id)
    busy = bool(job and job.active)
    if busy:
        st.caption("Work is under way in this study: sign when it is done.")
    who = common.reader()
    sure = st.checkbox(
        f"I, {words.plain(who)}, have looked at the results and sign them off.", key="sure"
    )
    if st.button(
        "Sign off",
        type="primary",
        icon=":material/verified:",
        disabled=not sure or busy,
        key="sign",
    ) and common.say(space.sign, here.id, who):
        st.rerun()


if lesson := common.taught(here, "Type every cell"):
    said = [d.id for kind in ("match", "review") for d in space.decisions(here.id, kind)]
    keys = stage_keys(space, here.id)
    what = json.dumps([keys["classify"], lesson.fresh, here.options, said], default=str)
    st.warning(RESEARCH_USE, icon=":material/science:")
    hidden = st.toggle(
        "Pseudonyms instead of names of files, slides and patients",
        key="hidden",
        help="In every table, picture and report below. They are the same in all of them.",
    )
    found = lesson.run
    plane = load_map(space, here.id)
    taken = StudyTables(
        found,
        lesson.reviews,
        Pseudonyms.of_study(space.secret, here.id) if hidden else None,
    )
    with_names = False
    if hidden:
        st.download_button(
            "Which pseudonym is whose (keep this to yourself)",
            lambda: csv_bytes(taken.pseudonyms.table(found.query), guarded=True),
            file_name("pseudonyms.csv"),
            key="pseudonyms",
            icon=":material/key:",
            on_click="ignore",
        )
    else:
        with_names = st.toggle("Show names of files in previews", key="with names")
    offer(
        "cells",
        "Typed cells",
        "One row an image: what was predicted and how surely, what readers said, what counts in "
        "the end, who said so and when.",
        "CSV",
        "Parquet",
    )
    offer(
        "differential",
        "Differential count",
        "Percent of each type on every slide with its interval, as predicted and after review. "
        "Artefacts are not counted.",
        "CSV",
    )
    left, right = st.columns(2)
    with left:
        offer(
            "matches",
            "Matches",
            "One row a cluster: its type, its score, who confirmed it.",
            "CSV",
            file="matches.csv",
        )
    with right:
        offer(
            "clusters",
            "Clusters",
            "One row an image: the cluster that it is in.",
            "CSV",
            file="clusters.csv",
        )
    offer(
        "answers",
        "Answers of readers",
        "Every answer in the order of time, also those that were changed later.",
        "CSV",
        file="reviews.csv",
    )
    st.caption(
        "Texts in CSV files that a spreadsheet would take for a formula begin with an apostrophe; "
        "Parquet and h5ad hold them as they are."
    )
    offer_images()
    offer_report()
    offer_repeat()
    offer_signature()
