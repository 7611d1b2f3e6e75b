"""Export: take results away, repeat them elsewhere, sign the study off."""

from collections import Counter
from pathlib import Path

import pandas as pd
import streamlit as st

from celltransfer_core.about import RESEARCH_USE
from celltransfer_core.outputs import (
    About,
    Pseudonyms,
    StudyTables,
    command_line,
    csv_bytes,
    describe_accuracy,
    describe_flags,
    formats,
    images,
    json_bytes,
    report_html,
    shown_channels,
    write_workbook,
)
from celltransfer_core.runtime import write_atomically
from celltransfer_core.studies import CurrentRun, current_job, load_map
from celltransfer_core.types import Progress
from parts import text
from parts.here import Here, attempt, open_page
from parts.must_find import show_must_find
from parts.takeaways import (
    Takeaways,
    content_key,
    file_name,
    offer_csv,
    offer_parquet,
    offer_prepared,
    show_table,
)
from parts.work import current_run


def read(here: Here, current: CurrentRun) -> Takeaways:
    """Read the study's tables, with pseudonyms or without as the reader chooses."""
    hidden = st.toggle(
        "Pseudonyms instead of names of files, slides and patients",
        key="hidden",
        help="In every table, picture and report below. They are the same in all of them.",
    )
    pseudonyms = Pseudonyms.of_study(here.workspace.secret, here.id) if hidden else None
    with_names = False
    if hidden:
        st.download_button(
            "Which pseudonym is whose (keep this to yourself)",
            lambda: csv_bytes(pseudonyms.table(current.run.query)),
            file_name(here, "pseudonyms.csv"),
            key="pseudonyms",
            icon=":material/key:",
            on_click="ignore",
        )
    else:
        with_names = st.toggle("Show names of files in previews", key="with names")
    tables = StudyTables(current.run, current.reviews, pseudonyms)
    return Takeaways(here, tables, content_key(here, current), hidden, with_names)


def offer_cells(files: Takeaways) -> None:
    """Offer the typed cells."""

    def write_h5ad(path: Path, progress: Progress) -> None:  # noqa: ARG001
        formats.write_h5ad(files.tables.cells(), files.tables.manifest, path)

    with st.container(border=True):
        made = show_table(
            files,
            "cells",
            "Typed cells",
            "One row an image: what was predicted and how surely, what readers said, what counts "
            "in the end, who said so and when.",
        )
        with st.container(horizontal=True):
            offer_csv(made, "cells", files.file_name("cells.csv"))
            offer_parquet(made, "cells", files.file_name("cells.parquet"))
            offer_prepared(files, "h5ad", ".h5ad", "h5ad", write_h5ad)


def offer_table(files: Takeaways, name: str, heading: str, explained: str, file: str) -> None:
    """Offer a table as CSV, with a preview."""
    with st.container(border=True):
        made = show_table(files, name, heading, explained)
        with st.container(horizontal=True):
            offer_csv(made, name, file)


def offer_tables(files: Takeaways) -> None:
    """Offer all other tables."""
    offer_table(
        files,
        "differential",
        "Differential count",
        "Percent of each type on every slide with its interval, as predicted and after review. "
        "Artefacts are not counted.",
        files.file_name("differential.csv"),
    )
    left, right = st.columns(2)
    with left:
        offer_table(
            files,
            "matches",
            "Matches",
            "One row a cluster: its type, its score, who confirmed it.",
            "matches.csv",
        )
    with right:
        offer_table(
            files,
            "clusters",
            "Clusters",
            "One row an image: the cluster that it is in.",
            "clusters.csv",
        )
    offer_table(
        files,
        "quality",
        "Quality of the pictures",
        "One row an image: what is wrong with it, and how far it lies off the usual.",
        "quality.csv",
    )
    offer_table(
        files,
        "answers",
        "Answers of readers",
        "Every answer in the order of time, also those that were changed later.",
        "reviews.csv",
    )
    st.caption(
        "Texts in CSV files that a spreadsheet would take for a formula begin with an apostrophe; "
        "Excel, Parquet and h5ad hold them as they are."
    )


def offer_workbook(files: Takeaways) -> None:
    """Offer all tables as one Excel workbook."""
    tables = files.tables

    def write(path: Path, progress: Progress) -> None:  # noqa: ARG001
        write_workbook(tables.all(), path)

    with st.container(border=True):
        st.markdown(
            "**Excel workbook**  \nAll tables above in one file, one sheet a table. Numbers are "
            "numbers and texts stay texts."
        )
        offer_prepared(files, "tables", ".xlsx", "Excel", write)


def offer_images(files: Takeaways) -> None:
    """Offer the images, by type."""
    tables = files.tables

    def write(path: Path, progress: Progress) -> None:
        images.write_images(
            tables.run.query,
            tables.final.final.tolist(),
            path,
            pseudonyms=tables.pseudonyms,
            progress=progress,
        )

    with st.container(border=True):
        st.markdown(
            "**Images by type**  \nOne folder a final type, in a zip. Images are written anew as "
            "8-bit PNG at their own size, so that nothing that the files held beside the picture "
            "goes with them. Writing that is part of a picture stays in it."
        )
        with st.expander("Preview"):
            counts = Counter(tables.final.final[tables.run.query.cell_index].tolist())
            rows = [{"Folder": name, "Images": count} for name, count in sorted(counts.items())]
            st.dataframe(pd.DataFrame(rows), hide_index=True)
        offer_prepared(files, "images", ".zip", "zip", write)


def offer_report(files: Takeaways) -> None:
    """Offer the report."""
    study, tables = files.here.study, files.tables
    plane = load_map(files.here.workspace, study.id)

    def write(path: Path, progress: Progress) -> None:
        page = report_html(
            tables.run,
            tables.reviews,
            About(study.name, study.drawn, study.signed_by, study.signed or ""),
            plane=plane,
            pseudonyms=tables.pseudonyms,
            progress=progress,
        )
        write_atomically(path, page.encode())

    with st.container(border=True):
        st.markdown(
            "**Report**  \nOne HTML file that opens without this program and without a network: "
            "every plot, the clusters with pictures of their cells, what reviews say, and the "
            "manifest."
        )
        with st.expander("Preview"):
            confirmed = sum(match.confirmed for match in tables.run.matches)
            st.markdown(
                f"- Composition and differential count, before and after review\n"
                f"- {len(tables.run.matches)} clusters with pictures, {confirmed} confirmed\n"
                f"- Similarities, maps and {len(tables.run.voters)} voters\n"
                f"- {len(tables.reviews):,} answers of readers, and the accuracy they stand for\n"
                f"- Manifest and command line\n"
                f"- “{RESEARCH_USE}”"
            )
        offer_prepared(files, "report", ".html", "HTML", write)


def offer_repeat(files: Takeaways) -> None:
    """Show how to get the same result from a shell."""
    here, tables = files.here, files.tables
    with st.container(border=True):
        st.markdown(
            "**Repeat it on the command line**  \nPut the same images into the folders `reference` "
            "(one sub-folder a type) and `query`, save the clusters, the matches and the answers "
            "above as `clusters.csv`, `matches.csv` and `reviews.csv` beside them, and run this. "
            "It gives the same predictions, unless a transport is under way or offered above."
        )
        extras = {one.name: one.um_per_px for one in here.workspace.sets(here.id, "extra")}
        reviews = "reviews.csv" if tables.reviews else None
        st.code(
            command_line(
                tables.run.config,
                extras=extras,
                channels=shown_channels(tables.run),
                reviews=reviews,
                new_types=tables.new_types,
            ),
            language="bash",
            wrap_lines=True,
        )
        if files.hidden:
            st.caption(
                "Save the three tables without pseudonyms for this: they must name your own files."
            )
        if here.workspace.decisions(here.id, "label"):
            st.caption(
                "Labels of the reference were mended in this study: save the labels that count "
                "(Data page, Check of the reference) as labels.csv in its folder first."
            )
        if any(one.mapping for one in here.workspace.sets(here.id, "reference")):
            st.caption("Types were renamed in this study: name the sub-folders as it does.")
        with st.expander("Manifest"):
            st.json(tables.manifest, expanded=1)
        st.download_button(
            "Manifest (JSON)",
            lambda: json_bytes(tables.manifest),
            files.file_name("manifest.json"),
            key="manifest",
            icon=":material/download:",
            on_click="ignore",
        )


def offer_signature(here: Here, tables: StudyTables) -> None:
    """Let the study be signed off."""
    st.header("Sign off")
    if here.study.signed:
        st.success(
            f"Signed off by {text.plain(here.study.signed_by)} on {text.when(here.study.signed)}.",
            icon=":material/verified:",
        )
        return
    answered = int((tables.final.reviewed != "").sum())
    waiting = int((tables.run.flagged & (tables.final.reviewed == "")).sum())
    disputed = int(tables.final.disputed.sum())
    st.markdown(
        f"{answered:,} of {tables.run.query.n_cells:,} cells are reviewed; {waiting:,} flagged "
        f"cells are not, and readers dispute {disputed:,}. After signing, nothing in this study "
        "can be changed by anybody; it can be read, exported and duplicated."
    )
    st.markdown(text.plain(describe_accuracy(tables.inference)))
    st.markdown(text.plain(describe_flags(tables.run.flags)))
    show_must_find(tables.run, tables.inference)
    job = current_job(here.workspace, here.id)
    busy = bool(job and job.active)
    if busy:
        st.caption("Work is under way in this study: sign when it is done.")
    sure = st.checkbox(
        f"I, {text.plain(here.reader)}, have looked at the results and sign them off.", key="sure"
    )
    if st.button(
        "Sign off",
        type="primary",
        icon=":material/verified:",
        disabled=not sure or busy,
        key="sign",
    ) and attempt(here.workspace.sign, here.id, here.reader):
        st.rerun()


here = open_page(
    "Export",
    "Take the typed cells away as tables, pictures or a report, and sign the study off when it is "
    "done.",
)
if current := current_run(here, "Type every cell"):
    st.warning(RESEARCH_USE, icon=":material/science:")
    files = read(here, current)
    offer_cells(files)
    offer_tables(files)
    offer_workbook(files)
    offer_images(files)
    offer_report(files)
    offer_repeat(files)
    offer_signature(here, files.tables)
