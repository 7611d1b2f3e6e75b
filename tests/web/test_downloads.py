from celltransfer_core.web import file_url, report_url
from celltransfer_core.web.addresses import LIFETIME
from tests.studies.samples import prepared
from tests.web.asking import ask, later

POLICY = "content-security-policy"


def test_a_file_is_sent_under_its_address_alone(space, monkeypatch):
    study, other = space.create("x").id, space.create("y").id
    path = prepared(space, study)
    url = file_url(space, study, path, "my images.zip")
    answer = ask("GET", url)
    assert (answer.status, answer.body) == (200, b"zip")
    assert "attachment" in answer.headers["content-disposition"]
    assert ask("GET", f"{url}x").status == 403
    assert ask("GET", url.split("?")[0]).status == 403
    assert ask("GET", url.replace(study, other)).status == 403
    elsewhere = file_url(space, study, path.with_name("classify-1.joblib"), "x")
    path.with_name("classify-1.joblib").write_text("secret")
    assert ask("GET", elsewhere).status == 404
    path.unlink()
    assert ask("GET", url).status == 404
    later(monkeypatch, 2 * LIFETIME + 1)
    assert ask("GET", url).status == 403


def test_nothing_of_a_deleted_study_is_sent(space):
    study = space.create("x").id
    url = file_url(space, study, prepared(space, study), "x.zip")
    space.delete(study)
    assert ask("GET", url).status == 404


def test_a_report_is_shown_in_our_own_frame_and_reaches_nothing(space, monkeypatch):
    study, other = space.create("x").id, space.create("y").id
    path = prepared(space, study)
    url = report_url(space, study, path)
    assert report_url(space, study, path, "lab").startswith("/lab/ct/report/")
    answer = ask("GET", url)
    assert (answer.status, answer.body) == (200, b"zip")
    assert answer.headers["content-type"].startswith("text/html")
    assert "content-disposition" not in answer.headers
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    rules = dict(one.strip().split(" ", 1) for one in answer.headers[POLICY].split(";"))
    assert rules["frame-ancestors"] == "'self'"
    assert rules["default-src"] == "'none'"
    assert rules["sandbox"] == "allow-scripts"  # not of our origin: no cookie, no page of ours
    assert "connect-src" not in rules
    assert ask("GET", url.replace(study, other)).status == 403
    assert ask("GET", url.replace(path.name, "classify-1.joblib")).status == 403
    hidden = path.with_name("classify-1.joblib")
    hidden.write_text("secret")
    assert ask("GET", report_url(space, study, hidden)).status == 404
    later(monkeypatch, 2 * LIFETIME + 1)
    assert ask("GET", url).status == 403
