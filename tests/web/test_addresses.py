from celltransfer_core.studies import Workspace
from celltransfer_core.web import image_url, upload_access
from celltransfer_core.web.addresses import LIFETIME
from tests.web.asking import ask, later, query_now


def test_addresses_stay_the_same_for_a_while(space, study, sha256):
    assert image_url(space, study, sha256, size=20) == image_url(
        Workspace(space.folder), study, sha256, size=20
    )


def test_addresses_expire(space, study, sha256, monkeypatch):
    url = image_url(space, study, sha256, size=20)
    later(monkeypatch, LIFETIME - 1)
    assert ask("GET", url).status == 200
    later(monkeypatch, 2 * LIFETIME + 1)
    refused = ask("GET", url)
    assert (refused.status, refused.headers["cache-control"]) == (403, "no-store")


def test_a_token_holds_for_one_study_and_purpose(space, study, sha256):
    other = space.create("Another").id
    url = image_url(space, study, sha256, size=20)
    token = image_url(space, other, sha256, size=20).split("t=")[1]
    upload = upload_access(space, query_now(space, study))["token"]
    for wrong in (token, upload, "", "x", url.split("t=")[1][:-1]):
        assert ask("GET", f"{url.split('t=')[0]}t={wrong}").status == 403
