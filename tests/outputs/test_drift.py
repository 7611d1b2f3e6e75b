from celltransfer_core.outputs.drift import describe_drift
from celltransfer_core.pipeline.slide_drift import LEAST_SLIDE, SlideDrift
from celltransfer_core.plots import CAPTIONS, drift_figure


def of(slide):
    return SlideDrift("proportions", slide, 30, 0.5, 0.25)


def told(*drift):
    return [one.split(":")[0] for one in describe_drift(drift)]


def test_cells_of_small_slides_are_not_called_all_cells():
    assert told(of("")) == ["All cells"]
    assert told(of("7"), of("9"), of("")) == ["7", "9", "Other cells"]


def names(batches):
    return list(drift_figure(batches).layout.xaxis.ticktext)


def test_the_figure_names_cells_of_small_slides_too():
    assert names({"June": [of("7"), of("")], "July": [of("")]}) == ["7", "others, June", "July"]
    assert names({"June": [of("7")], "July": [of("7"), of("8")]}) == ["7, June", "7, July", "8"]
    assert f"fewer than {LEAST_SLIDE} cells" in CAPTIONS["drift_figure"]


def test_of_many_slides_the_batches_are_named():
    many = {f"day {day}": [of(str(slide)) for slide in range(2)] for day in range(60)}
    axis = drift_figure(many).layout.xaxis
    assert list(axis.ticktext) == [f"day {day}" for day in range(0, 60, 3)]
    assert list(axis.tickvals) == [*range(0, 120, 6)]
    assert list(axis.range) == [-0.5, 119.5]
