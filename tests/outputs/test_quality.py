from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from celltransfer_core.cli.sentences import describe_run
from celltransfer_core.framing import MEASURES, Quality, Shift
from celltransfer_core.outputs import (
    Page,
    Pseudonyms,
    StudyTables,
    add_quality,
    describe_faults,
    describe_shifts,
    quality_table,
    write_run,
)


@pytest.fixture
def spoilt(result):
    """The run, with a query cell that is out of focus and one without a nucleus."""
    seen = result.framing.nuclei["query"]
    found, measures = seen.found.copy(), seen.measures.copy()
    measures[3, MEASURES.index("blur")] += 3
    found[4] = False
    nuclei = {**result.framing.nuclei, "query": replace(seen, found=found, measures=measures)}
    return replace(result, framing=replace(result.framing, nuclei=nuclei))


def test_the_table_names_the_faults_of_each_file(spoilt, tmp_path):
    write_run(spoilt, tmp_path)
    table = pd.read_csv(tmp_path / "quality.csv", keep_default_na=False).set_index("sha256")
    assert sorted(table["file"]) == sorted(spoilt.query.files)
    blurred, without = (table.loc[spoilt.query.cells[cell]] for cell in (3, 4))
    assert "blurred" in blurred["faults"].split("|")
    assert blurred["off:blurred"] > 1
    assert without["faults"] == "no nucleus"
    assert (table["faults"] == "").sum() > 20


def test_without_a_search_for_nuclei_there_is_nothing_to_tell(result):
    whole = replace(result, framing=replace(result.framing, nuclei={}))
    assert list(quality_table(whole).columns) == list(quality_table(result).columns)
    assert len(quality_table(whole)) == 0
    page = Page({})
    add_quality(page, whole)
    assert "Not measured" in "".join(page.parts)


def test_the_report_shows_the_worst_pictures_of_each_fault(spoilt):
    page = Page({})
    add_quality(page, spoilt)
    section = "".join(page.parts)
    assert "1 of 30 cells has no detected nucleus." in section
    assert section.count("<img") >= 2
    assert 'alt="blurred"' in section


def test_pseudonyms_hide_hashes_and_names_in_the_table(spoilt):
    hidden = StudyTables(spoilt, [], Pseudonyms(b"key")).quality()
    assert not {*hidden["sha256"]} & {*spoilt.query.cells}
    assert not {*hidden["file"]} & {*spoilt.query.files}


def test_sentences_count_first():
    blurred = np.array([2.0, 0.0, 3.0, 0.5])
    quality = Quality({"blurred": blurred, "dark": np.zeros(4)}, ())
    told = {"blurred": "2 of 4 cells are more blurred than 99 % of the reference."}
    assert describe_faults(quality) == told
    shifts = [Shift("dark", "", 4), Shift("stain", "", 4), Shift("blurred", "s1", 2)]
    whole, slide = describe_shifts(shifts)
    assert "darker and more unusually stained than 99 % of the reference" in whole
    assert slide == "Slide s1 is more blurred than the others."


def test_the_command_line_says_the_same_in_a_line(spoilt):
    lines = describe_run(spoilt).splitlines()
    (line,) = [line for line in lines if line.startswith("quality: ")][:1]
    assert "1 of 30 cells has no detected nucleus; " in line
    assert line.endswith("(quality.csv)")
