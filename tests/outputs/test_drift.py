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


def test_the_figure_names_cells_of_small_slides_too():
    figure = drift_figure({"June": [of("7"), of("")], "July": [of("")]})
    assert list(figure.layout.xaxis.ticktext) == ["7", "June, others", "July"]
    assert f"fewer than {LEAST_SLIDE} cells" in CAPTIONS["drift_figure"]
