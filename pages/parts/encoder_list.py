"""Lists of installed encoders, available ones, and a user's own."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from celltransfer_core.encoders import (
    AvailableEncoder,
    EncoderSpec,
    add_encoder,
    available_encoders,
)
from celltransfer_core.runtime import how_to_install, missing
from parts import text
from parts.clicks import clicked
from parts.here import attempt


@st.cache_data(ttl=30, show_spinner="Looking for encoders…")
def find_encoders(folder: str) -> tuple[AvailableEncoder, ...]:  # noqa: ARG001
    """List the installed encoders; a user's own are opened to check that they work."""
    return available_encoders()


def show_encoders(found: Sequence[AvailableEncoder]) -> None:
    """Show the facts about each encoder."""
    rows = {
        one.id: {
            "Description": one.spec.name,
            "Training data": trained_on(one.spec),
            "Numbers": str(one.spec.dim),
            "Licence": one.spec.licence,
            "Source": one.spec.source,
        }
        for one in found
        if one.spec and one.here
    }
    # The description of a user's own encoder cannot be trusted.
    st.table(pd.DataFrame.from_dict(rows, orient="index").map(text.plain))
    st.caption(
        "**Training data**: an encoder that was trained on your own images performs better on "
        "them than it will on others. Only you can know whether it was."
    )
    for one in found:
        if one.problem:
            st.warning(text.plain(f"{one.id}: {one.problem}"))


def trained_on(spec: EncoderSpec) -> str:
    """Describe what an encoder was trained on."""
    overlap = f"; among them {spec.overlap}" if spec.overlap else ""
    return f"{spec.trained_on or 'not stated'}{overlap}"


def show_more_encoders(found: Sequence[AvailableEncoder]) -> None:
    """List encoders that can be fetched, and accept a file with a user's own."""
    rows = {
        one.id: {
            "Description": one.spec.name,
            "Training data": trained_on(one.spec),
            "Size": f"{one.spec.size_mb:,} MB",
            "Licence": one.spec.licence,
        }
        for one in found
        if one.spec and not one.here
    }
    st.markdown("**Published encoders that are not installed yet**")
    st.dataframe(pd.DataFrame.from_dict(rows, orient="index"), height=240)
    if missing("encoders"):
        st.markdown(f"They need packages that are not installed: `{how_to_install('encoders')}`")
    st.markdown("To download one, or to install weights from a file:")
    st.code(
        "python -m celltransfer_core encoders fetch ID\n"
        "python -m celltransfer_core encoders add ID FILE",
        language="sh",
    )
    st.markdown("**Your own, as an ONNX file**")
    files = st.file_uploader(
        "Drop NAME.onnx and NAME.json here",
        type=["onnx", "json"],
        accept_multiple_files=True,
        help="The guide “Bring your own encoder” on the Help page explains the JSON file.",
    )
    if files and clicked(st.button, "Add this encoder", key="add encoder", icon=":material/add:"):
        take_in(files)


def take_in(files: Sequence[UploadedFile]) -> None:
    """Check an encoder that was dropped, and save it."""
    models = [file for file in files if file.name.lower().endswith(".onnx")]
    if len(models) != 1 or len(files) != 2:
        st.error("Drop two files together: NAME.onnx and its description NAME.json.")
        return
    name = Path(models[0].name).stem
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            suffix = ".onnx" if file is models[0] else ".json"
            (Path(folder) / f"model{suffix}").write_bytes(file.getbuffer())
        if attempt(add_encoder, name, Path(folder) / "model.onnx"):
            find_encoders.clear()
            st.toast(f"{text.plain(name)} is installed and can vote.")
            st.rerun()
