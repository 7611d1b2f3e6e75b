"""Export page: download the typed cells, sign the study off, and get other files."""

import datetime as dt
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
from celltransfer_core.runtime import how_to_install, missing, write_atomically
from celltransfer_core.studies import (
    CurrentRun,
    current_job,
    expected_types,
    load_map,
    typed_batches,
)
from celltransfer_core.types import Progress
from celltransfer_core.web import report_url
from parts import text
from parts.batches import offer_batches
from parts.colours_switch import original_colours
from parts.here import Here, attempt, open_page
from parts.must_find import show_must_find
from parts.navigation import main_button
from parts.next_slides import offer_next_slides
from parts.reader import when_named
from parts.takeaways import (
    Takeaways,
    content_key,
    file_name,
    make_table,
    offer_csv,
    offer_parquet,
    offer_prepared,
    show_cells,
    show_table,
)
from parts.work import current_run

SHEET = 900  # px: height of the report on the page


def read(here: Here, current: CurrentRun) -> Takeaways:
    """Read the study's tables, with or without pseudonyms, as the reader chooses."""
    state = st.session_state
    hidden = bool(state.get("hidden"))
    pseudonyms = Pseudonyms.of_study(here.workspace.secret, here.id) if hidden else None
    said = expected_types(here.workspace, here.id).followed(current.run.config)
    tables = StudyTables(current.run, current.reviews, pseudonyms, said)
    with_names = bool(state.get("with names")) and not hidden
    batches = typed_batches(here.workspace, here.id)
    return Takeaways(here, tables, batches, content_key(here, current), hidden, with_names)


def choose(files: Takeaways) -> None:
    """Let the reader choose which columns and names are shown."""
    with st.container(horizontal=True, gap="medium"):
        st.toggle("All columns", key="all columns")
        st.toggle("Names of files", key="with names", disabled=files.hidden)
        st.toggle(
            "Pseudonyms",
            key="hidden",
            help="Replaces the names of files, slides, patients and batches in every table, image "
            "and report of this page; each name has the same pseudonym everywhere.",
        )
        if pseudonyms := files.tables.pseudonyms:
            st.download_button(
                "Key to the pseudonyms (keep it private)",
                lambda: csv_bytes(pseudonyms.table(files.tables.run.query, files.batches)),
                file_name(files.here, "pseudonyms.csv"),
                key="pseudonyms",
                icon=":material/key:",
                on_click="ignore",
            )


def take_away(files: Takeaways) -> None:
    """Show the typed cells, and offer them with the report."""
    tables, final = files.tables, files.tables.final
    people = int(((final.reviewed != "") & ~final.unsure).sum())
    flagged = int((tables.run.flagged & (final.reviewed == "")).sum())
    unseen = (
        f"{text.count(flagged, 'flagged cell has', 'flagged cells have')} not been reviewed."
        if flagged
        else ""
    )
    st.markdown(
        f"**{text.count(tables.run.query.n_cells, 'cell is typed', 'cells are typed')}**: "
        f"{people:,} by readers, the others by prediction. {unseen}"
    )

    def write_excel(path: Path, progress: Progress) -> None:  # noqa: ARG001
        write_workbook(tables.workbook(), path)

    buttons = st.container(horizontal=True)
    choose(files)
    made = show_cells(files)
    with buttons:
        offer_prepared(files, "tables", ".xlsx", "Excel", write_excel, at_once=True)
        offer_csv(made, "cells", files.file_name("cells.csv"))
        report = offer_report(files)
    if report:
        show_report(files.here, report)


def offer_report(files: Takeaways) -> Path | None:
    """Offer the report; return it once it is ready."""
    study, tables = files.here.study, files.tables
    plane = load_map(files.here.workspace, study.id)
    original = original_colours()
    # A draft carries today's date; a signed report that of its signature, so its bytes stay the
    # same.
    today = "" if study.signed else dt.datetime.now(dt.UTC).date().isoformat()

    def write(path: Path, progress: Progress) -> None:
        page = report_html(
            tables.run,
            tables.reviews,
            About(study.name, study.drawn, study.signed_by, study.signed or "", today, tables.said),
            plane=plane,
            batches=files.batches,
            pseudonyms=tables.pseudonyms,
            original=original,
            progress=progress,
        )
        write_atomically(path, page.encode())

    decides = today, original, *files.batches_stamp
    return offer_prepared(files, "report", ".html", "report", write, *decides)


def show_report(here: Here, report: Path) -> None:
    """Show the report on the page."""
    url = report_url(here.workspace, here.id, report, st.get_option("server.baseUrlPath") or "")
    st.subheader("The report")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.link_button("Open in a new tab, to print", url, icon=":material/print:")
        st.caption("One HTML file that opens without this program and without network access.")
    with st.container(border=True):
        st.iframe(url, height=SHEET, alt="The report")


def offer_table(files: Takeaways, name: str, heading: str, explained: str, file: str) -> None:
    """Offer a table as CSV, with a preview."""
    with st.container(border=True):
        made = show_table(files, name, heading, explained)
        offer_csv(made, name, file)


def offer_tables(files: Takeaways) -> None:
    """Offer all other tables, for further computation."""

    def write_h5ad(path: Path, progress: Progress) -> None:  # noqa: ARG001
        formats.write_h5ad(files.tables.cells(), files.tables.manifest, path)

    st.caption("The Excel file above contains all of them, one sheet per table.")
    offer_table(
        files,
        "differential",
        "Differential count",
        "Percentage of each type on every slide with its interval, as predicted and after review. "
        "Artefacts are not counted.",
        files.file_name("differential.csv"),
    )
    offer_table(
        files,
        "matches",
        "Matches",
        "One row per cluster: its type, its score, who confirmed it.",
        "matches.csv",
    )
    offer_table(
        files,
        "clusters",
        "Clusters",
        "One row per image: the cluster it belongs to.",
        "clusters.csv",
    )
    offer_table(
        files,
        "quality",
        "Image quality",
        "One row per image: what is wrong with it, and how far it deviates from typical values.",
        "quality.csv",
    )
    offer_table(
        files,
        "answers",
        "Readers' answers",
        "Every answer in chronological order, including answers that were changed later.",
        "reviews.csv",
    )
    with st.container(border=True):
        st.markdown(
            "**Typed cells for other programs**  \nWith all columns, as Parquet and AnnData."
        )
        with st.container(horizontal=True):
            made = make_table(files.key, files.hidden, "cells", files.tables)
            offer_parquet(made, "cells", files.file_name("cells.parquet"))
            if not missing("formats", "anndata"):
                offer_prepared(files, "h5ad", ".h5ad", "h5ad file", write_h5ad)
        if missing("formats", "anndata"):
            st.caption(f"For an h5ad file: `{how_to_install('formats')}`")
    st.caption(
        "In CSV files, text that a spreadsheet would interpret as a formula begins with an "
        "apostrophe; Excel, Parquet and h5ad files contain it unchanged."
    )


def offer_images(files: Takeaways) -> None:
    """Offer the images, sorted by type."""
    tables = files.tables

    def write(path: Path, progress: Progress) -> None:
        images.write_images(
            tables.run.query,
            tables.final.final.tolist(),
            path,
            pseudonyms=tables.pseudonyms,
            progress=progress,
        )

    st.markdown(
        "One folder per final type, in a zip file. Images are saved as new 8-bit PNG files at "
        "their own size, so no metadata of the original files is included. Text that is part of "
        "an image stays in it."
    )
    counts = Counter(tables.final.final[tables.run.query.cell_index].tolist())
    rows = [{"Folder": name, "Images": count} for name, count in sorted(counts.items())]
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    offer_prepared(files, "images", ".zip", "zip", write)


def offer_repeat(files: Takeaways) -> None:
    """Show how to reproduce the result from a shell."""
    here, tables = files.here, files.tables
    st.markdown(
        "Put the same images into the folders `reference` (one sub-folder per type) and `query`, "
        "save the clusters, the matches and the answers above as `clusters.csv`, `matches.csv` "
        "and `reviews.csv` beside them, and run this. It gives the same predictions, unless a "
        "transport is running or offered above."
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
            "Save the three tables without pseudonyms for this: they must contain the real file "
            "names."
        )
    if here.workspace.decisions(here.id, "label"):
        st.caption(
            "Reference labels were corrected in this study: first save the labels in effect (Data "
            "page, Check of the reference) as labels.csv in the reference folder."
        )
    if any(one.mapping for one in here.workspace.sets(here.id, "reference")):
        st.caption("Types were renamed in this study: give the sub-folders the new names.")
    st.download_button(
        "Manifest: inputs, settings, versions (JSON)",
        lambda: json_bytes(tables.manifest),
        files.file_name("manifest.json"),
        key="manifest",
        icon=":material/download:",
        on_click="ignore",
    )
    st.json(tables.manifest, expanded=1)


def offer_signature(here: Here, tables: StudyTables) -> None:
    """Offer to sign the study off."""
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
        f"cells are not, and readers disagree on {disputed:,}. After signing, nobody can change "
        "its results; the study can be read, exported and duplicated, and new cells can be added."
    )
    st.markdown(text.plain(describe_accuracy(tables.inference)))
    st.markdown(text.plain(describe_flags(tables.run.flags)))
    show_must_find(tables.run, tables.inference)
    job = current_job(here.workspace, here.id)
    busy = bool(job and job.active)
    if busy:
        st.caption("Work is running in this study: sign off when it has finished.")
    i = f"I, {text.plain(here.reader)}," if here.reader else "I"
    sure = st.checkbox(f"{i} have looked at the results and sign them off.", key="sure")
    main_button(
        "Sign off",
        icon=":material/verified:",
        disabled=not sure or busy,
        key="sign",
        note="" if sure else "To sign off, first tick the box that you have looked at the results.",
        on_click=sign,
        args=(here,),
    )


def sign(here: Here) -> None:
    """Sign the study off; a reader without a name is asked for it first."""
    if here.reader:
        attempt(here.workspace.sign, here.id, here.reader)
    else:
        when_named(lambda name: attempt(here.workspace.sign, here.id, name))


here = open_page("Export", f"Download the typed cells, then sign the study off. {RESEARCH_USE}")
if current := current_run(here, "Type every cell"):
    files = read(here, current)
    take_away(files)
    offer_signature(here, files.tables)
    offer_batches(files)
    offer_next_slides(files)
    st.header("For colleagues")
    with st.expander("Other tables and formats", icon=":material/table:"):
        offer_tables(files)
    with st.expander("Images, one folder per type", icon=":material/folder_zip:"):
        offer_images(files)
    with st.expander("Repeat it on the command line", icon=":material/terminal:"):
        offer_repeat(files)
