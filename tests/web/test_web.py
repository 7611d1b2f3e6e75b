import io
import json
import shutil
import time
import zipfile
from dataclasses import dataclass, field
from types import SimpleNamespace

import anyio
import numpy as np
import pytest
from anyio.from_thread import start_blocking_portal
from PIL import Image
from starlette.applications import Starlette

from celltransfer_core.data import Dataset
from celltransfer_core.errors import DataError
from celltransfer_core.framing import Crops, Framing, Nuclei, Nucleus, cut, draw_cut
from celltransfer_core.studies import Workspace
from celltransfer_core.web import (
    ROOTS,
    TOKEN_HEADER,
    addresses,
    batches,
    import_roots,
    importable,
    pictures,
    routes,
    upload_access,
    uploads,
)
from celltransfer_core.web.addresses import LIFETIME, _version, image_url

HOST = "cells.example"


@dataclass
class Answer:
    status: int = 0
    headers: dict = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def events(self):
        return [json.loads(line[6:]) for line in self.body.decode().split("\n\n") if line]

    @property
    def image(self):
        return np.asarray(Image.open(io.BytesIO(self.body)).convert("RGB"))


def ask(method, url, body=b"", headers=(), *, leave_after=None, base=""):
    """Ask the routes as a browser would; ``leave_after`` chunks of the body it goes away."""
    path, _, query = f"/{url.lstrip('/')}".partition("?")
    chunks = [body[at : at + 65536] for at in range(0, len(body), 65536)] or [b""]
    answer = Answer()
    sent = 0

    async def receive():
        nonlocal sent
        if leave_after is not None and sent >= leave_after:
            return {"type": "http.disconnect"}
        if sent == len(chunks):
            await anyio.sleep_forever()
        sent += 1
        return {"type": "http.request", "body": chunks[sent - 1], "more_body": sent < len(chunks)}

    async def send(message):
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {key.decode(): value.decode() for key, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "root_path": "",
        "query_string": query.encode(),
        "headers": [
            (key.lower().encode(), value.encode())
            for key, value in {"host": HOST, **dict(headers)}.items()
        ],
    }
    app = Starlette(routes=routes(base))
    with start_blocking_portal() as portal:
        portal.call(app, scope, receive, send)
    return answer


def png(value=0, side=16):
    file = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def batch(files, sizes=None):
    listed = [{"name": name, "size": len(data)} for name, data in files]
    for entry, size in zip(listed, sizes or [], strict=False):
        entry["size"] = size
    header = json.dumps(listed).encode()
    return len(header).to_bytes(4, "big") + header + b"".join(data for _, data in files)


def packed(entries):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return file.getvalue()


@pytest.fixture
def space(home):
    return Workspace()


@pytest.fixture
def study(space):
    return space.create("Cells").id


@pytest.fixture
def query(space, study):
    return space.add_set(study, "query", "Query")


@pytest.fixture
def sha256(space, study, query):
    """Hash of one 40 × 20 image of the study."""
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :20] = 200
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    space.receive(query.id, [("1.png", file.getvalue())])
    return space.dataset(query_now(space, study)).cells[0]


def query_now(space, study):
    return space.sets(study, "query")[0]


def headers(space, image_set, **more):
    access = upload_access(space, image_set)
    return {access["header"]: access["token"], **more}


def post(space, image_set, body, what="", **more):
    url = upload_access(space, image_set)["url"] + what
    return ask("POST", url, body, headers(space, image_set, **more))


def later(monkeypatch, seconds):
    shifted = SimpleNamespace(time=lambda: time.time() + seconds, monotonic=time.monotonic)
    monkeypatch.setattr(addresses, "time", shifted)


# Images


def test_an_image_is_served_small_and_kept_by_the_browser(space, study, sha256):
    answer = ask("GET", image_url(space, study, sha256, size=20))
    assert answer.status == 200
    assert answer.image.shape == (10, 20, 3)
    assert answer.headers["content-type"] == "image/jpeg"
    assert "private" in answer.headers["cache-control"]
    assert "max-age=86400" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_cell_is_served_by_its_number_too(space, study, sha256):
    cells = space.pooled(study, "query").cells
    number = cells.index(sha256)
    by_hash = ask("GET", image_url(space, study, sha256, size=20, role="query"))
    url = image_url(space, study, "{cell}", size=20, cut=True, role="query")
    answer = ask("GET", url.replace("{cell}", str(number)))
    assert answer.body == by_hash.body
    assert answer.headers["cache-control"] == "private, no-cache"
    assert ask("GET", url.replace("{cell}", str(len(cells)))).status == 404
    unknown = url.replace("role=query", "role=other").replace("{cell}", "0")
    assert ask("GET", unknown).status == 404


def test_what_the_browser_has_is_not_sent_again(space, study, sha256):
    url = image_url(space, study, sha256, size=20)
    tag = ask("GET", url).headers["etag"]
    again = ask("GET", url, headers={"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")
    assert ask("GET", url, headers={"If-None-Match": '"other"'}).status == 200
    assert ask("GET", image_url(space, study, sha256, size=21)).headers["etag"] != tag


def test_large_pictures_lose_nothing_and_are_never_enlarged(space, study, sha256):
    answer = ask("GET", image_url(space, study, sha256, size=10**6))
    assert answer.headers["content-type"] == "image/png"
    assert answer.image.shape == (20, 40, 3)
    assert ask("GET", image_url(space, study, sha256, size=0)).image.shape == (8, 16, 3)


def test_sizes_that_are_none_are_refused(space, study, sha256):
    url = image_url(space, study, sha256, size=20)
    assert ask("GET", url.replace("size=20", "size=x")).status == 400
    assert ask("GET", url + "&show=secret").status == 400


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


def test_images_of_other_studies_are_not_served(space, study, sha256):
    other = space.create("Another").id
    assert ask("GET", image_url(space, other, sha256, size=20)).status == 404


@pytest.mark.parametrize("name", ["../../secret.key", "..%2F..%2Fsecret.key", "0" * 64, "%00"])
def test_no_file_is_reached_by_a_path(space, study, sha256, name):
    answer = ask("GET", image_url(space, study, name, size=20))
    assert answer.status == 404
    assert space.secret.encode() not in answer.body


def test_images_of_deleted_studies_are_not_served(space, study, sha256):
    space.delete(study)
    assert ask("GET", image_url(space, study, sha256, size=20)).status == 404


def test_a_damaged_store_is_no_fault(space, study, sha256):
    (space.images / sha256[:2] / sha256).write_bytes(b"gone bad")
    assert ask("GET", image_url(space, study, sha256, size=20)).status == 404


def test_an_image_of_16_bits_is_shown_at_the_scale_of_its_set(space, study, query):
    files = []
    for number, top in enumerate((1000, 30000)):
        file = io.BytesIO()
        Image.fromarray(np.linspace(0, top, 256).astype(np.uint16).reshape(16, 16)).save(
            file, "PNG"
        )
        files.append((f"{number}.png", file.getvalue()))
    space.receive(query.id, files)
    dataset = space.dataset(query_now(space, study))
    dark = dataset.cells[dataset.cell_index[dataset.files.index("0.png")]]
    answer = ask("GET", image_url(space, study, dark, size=1000))
    assert np.array_equal(answer.image, dataset.read(dataset.cells.index(dark)))
    assert answer.image.max() < 20


NUCLEUS = Nucleus(10.0, 10.0, 8.0, (255.0, 255.0, 255.0))


@pytest.fixture
def embedded(space, study, sha256, monkeypatch):
    """Make the routes see a study whose cell is cut around (10, 10)."""
    dataset: Dataset = space.dataset(query_now(space, study))
    nuclei = Nuclei(
        np.array([True]),
        *(np.array([value], np.float32) for value in NUCLEUS[:3]),
        np.array([NUCLEUS.background], np.float32),
    )
    prepared = SimpleNamespace(framing=Framing({"query": Crops(dataset, nuclei)}, True, "cut"))
    for module in (addresses, pictures):
        monkeypatch.setattr(module, "stage_keys", lambda *_: {"embed": "key"})
    monkeypatch.setattr(pictures, "load_prepared", lambda *_: prepared)
    _version.cache_clear()
    yield dataset
    _version.cache_clear()


def test_the_cut_is_what_encoders_see(space, study, sha256, embedded):
    answer = ask("GET", image_url(space, study, sha256, size=1000, cut=True))
    assert np.array_equal(answer.image, cut(embedded.read(0), NUCLEUS))
    assert "max-age" in answer.headers["cache-control"]
    whole = ask("GET", image_url(space, study, sha256, size=1000))
    assert answer.headers["etag"] != whole.headers["etag"]


def test_the_cut_is_drawn_on_the_whole_image(space, study, sha256, embedded):
    shown = ask("GET", image_url(space, study, sha256, size=1000, outline=True)).image
    image = embedded.read(0)
    assert shown.shape == image.shape
    assert np.array_equal(shown, draw_cut(image, NUCLEUS))
    assert (shown[2, 2:18] == 0).all()
    assert np.array_equal(shown[4:16, 4:16], image[4:16, 4:16])


def test_an_outline_beyond_the_image_widens_it():
    image = np.full((20, 20, 3), 9, np.uint8)
    shown = draw_cut(image, Nucleus(2.0, 18.0, 10.0, (1.0, 2.0, 3.0)))
    assert shown.shape == (28, 28, 3)
    assert shown[10, 2].tolist() == [1, 2, 3]


def test_until_cells_are_cut_the_whole_is_shown_and_not_kept(space, study, sha256):
    answer = ask("GET", image_url(space, study, sha256, size=1000, cut=True))
    assert answer.image.shape == (20, 40, 3)
    assert answer.headers["cache-control"] == "private, no-cache"


def test_pictures_of_an_earlier_cut_are_not_kept(space, study, sha256, embedded):
    url = image_url(space, study, sha256, size=100, cut=True)
    answer = ask("GET", url.replace("v=key", "v=old"))
    assert answer.headers["cache-control"] == "private, no-cache"


def test_routes_lie_under_the_apps_base(space, study, sha256):
    url = image_url(space, study, sha256, size=20)
    assert ask("GET", f"/cells/app/{url}", base="/cells/app/").status == 200
    assert ask("GET", url, base="cells").status == 404


def test_streamlit_accepts_the_routes(tmp_path):
    import streamlit as st

    (tmp_path / "main.py").write_text("")
    st.App(str(tmp_path / "main.py"), routes=routes())


# Files


def test_a_batch_is_taken_and_refusals_have_reasons(space, study, query):
    files = [("a/1.png", png(1)), ("a/2.png", b"only text"), ("b/3.png", b"")]
    answer = post(space, query, batch(files))
    assert answer.status == 200
    assert answer.json["taken"] == 1
    reasons = {entry["name"]: entry["reason"] for entry in answer.json["refused"]}
    assert reasons == {
        "a/2.png": "not a PNG, JPEG, TIFF, BMP or WebP image",
        "b/3.png": "the file is empty",
    }


def test_what_is_known_can_be_asked_for(space, study, query):
    url = upload_access(space, query)["url"]
    assert ask("GET", url, headers=headers(space, query)).json == {"files": {}}
    post(space, query, batch([("a/1.png", png(1)), ("a/2.png", b"x")]))
    known = ask("GET", url, headers=headers(space, query)).json
    assert known == {"files": {"a/1.png": len(png(1)), "a/2.png": 1}}


@pytest.mark.parametrize(
    "name", ["../1.png", "/etc/1.png", "C:\\1.png", "a/..\\1.png", "a\0.png", "\ud800.png", ""]
)
def test_names_that_play_tricks_are_refused(space, study, query, name):
    answer = post(space, query, batch([("good.png", png(1)), (name, png(2))]))
    assert answer.json["taken"] == 1
    assert len(answer.json["refused"]) == 1
    assert list(space.known_files(query.id)) == ["good.png"]
    stored = [path for path in space.folder.rglob("*.png") if path.is_file()]
    assert stored == []


def test_tables_count_beside_the_types_only(space, study):
    reference = space.add_set(study, "reference", "Reference")
    files = [("labels.csv", b"file,label\n1.png,x\n"), ("a/Labels.csv", b"file,label\n")]
    answer = post(space, reference, batch(files))
    assert answer.json["taken"] == 1
    assert answer.json["refused"][0]["name"] == "a/Labels.csv"
    assert "1.png" in space.image_set(reference.id).tables["labels.csv"]


def test_a_token_holds_for_one_set(space, study, query, monkeypatch):
    other = space.add_set(study, "reference", "Reference")
    url = upload_access(space, query)["url"]
    image = image_url(space, study, "0", size=20).split("t=")[1]
    for wrong in ({}, headers(space, other), {TOKEN_HEADER: image}):
        for method in ("GET", "POST"):
            assert ask(method, url, batch([("1.png", png())]), wrong).status == 403
    right = headers(space, query)
    later(monkeypatch, 2 * LIFETIME + 1)
    answer = ask("POST", url, batch([("1.png", png())]), right)
    assert (answer.status, answer.json["error"]) == (
        403,
        "This page has expired; reload it, then go on.",
    )
    assert space.known_files(query.id) == {}


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": f"https://{HOST}"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Origin": f"https://{HOST}"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy"}, 200),
    ],
)
def test_other_sites_cannot_send(space, study, query, more, status):
    assert post(space, query, batch([("1.png", png())]), **more).status == status


def test_a_signed_study_takes_nothing(space, study, query):
    space.sign(study, "Ann")
    for what, body in (("", batch([("1.png", png())])), ("/zip", packed([]))):
        answer = post(space, query, body, what)
        assert (answer.status, "signed off by Ann" in answer.json["error"]) == (409, True)


def test_a_set_that_is_gone_says_so(space, study, query):
    token = headers(space, query)
    space.remove_set(query.id)
    answer = ask("POST", f"ct/files/{query.id}", batch([]), token)
    assert (answer.status, "reload" in answer.json["error"]) == (404, True)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"\0\0\0\2{}", 400),
        (b"\0\0\0\3[1]", 400),
        (b"\0\0\0\2[]more", 400),
        (b"\xff\xff\xff\xff", 413),
        (batch([("1.png", b"abc")], sizes=[-3]), 400),
        (batch([("1.png", b"abc")], sizes=["3"]), 400),
        (batch([("1.png", b"abc")], sizes=[4]), 400),
        (batch([("1.png", b"abc")], sizes=[10**12]), 400),
        ((20_000).to_bytes(4, "big") + b"[" * 20_000, 400),
        (batch([(f"{number}.png", b"") for number in range(101)]), 413),
    ],
)
def test_batches_that_make_no_sense_are_refused_whole(space, study, query, body, status):
    answer = post(space, query, body)
    assert (answer.status, bool(answer.json["error"])) == (status, True)
    assert space.known_files(query.id) == {}


def test_a_body_is_refused_as_soon_as_it_is_too_large(space, study, query, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_BYTES", 1000)
    monkeypatch.setattr(batches, "MAX_HEADER", 1000)
    monkeypatch.setattr(uploads, "MAX_HEADER", 1000)
    body = batch([("1.png", bytes(500_000))])
    assert post(space, query, body).status == 413
    assert post(space, query, body, **{"Content-Length": str(len(body))}).status == 413
    monkeypatch.setattr(batches, "BATCH_BYTES", 100)
    files = [("1.png", png(1)), ("2.png", png(2, side=32))]
    assert post(space, query, batch(files)).status == 413
    assert post(space, query, batch([("3.png", png(3, side=32))])).status == 200


def test_a_browser_that_goes_away_leaves_nothing_half(space, study, query):
    url = upload_access(space, query)["url"]
    body = batch([("1.bmp", bytes(300_000))])
    answer = ask("POST", url, body, headers(space, query), leave_after=2)
    assert answer.status in (0, 499)
    assert space.known_files(query.id) == {}
    assert post(space, query, batch([("1.png", png())])).json["taken"] == 1


def test_a_zip_is_unpacked_with_progress(space, study, query):
    files = [(f"set/a/{number}.png", png(number)) for number in range(130)]
    answer = post(space, query, packed([*files, ("set/a/bad.png", b"text")]), "/zip")
    first, second, end = answer.events
    assert (first["done"], first["total"], first["taken"]) == (100, 131, 100)
    assert (second["done"], second["taken"]) == (131, 30)
    assert second["refused"][0]["name"] == "a/bad.png"
    assert end == {"finished": True}
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "a/0.png" in space.known_files(query.id)


def test_a_zip_sent_again_takes_only_what_is_missing(space, study, query):
    post(space, query, packed([("a/1.png", png(1)), ("b/2.png", png(2))]), "/zip")
    again = [("a/1.png", png(1)), ("b/2.png", png(2)), ("b/3.png", png(3))]
    steps = post(space, query, packed(again), "/zip").events
    assert [step.get("taken") for step in steps] == [1, None]


def test_a_hostile_zip_is_refused_in_a_sentence(space, study, query):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/1.bmp", bytes(40_000_000))
    (step,) = post(space, query, file.getvalue(), "/zip").events
    assert "no folder of cells" in step["error"]
    steps = post(space, query, packed([("../1.png", png()), ("a/1.png", png())]), "/zip").events
    assert steps[0]["taken"] == 1
    assert "leads out" in steps[0]["refused"][0]["reason"]
    assert "damaged" in post(space, query, b"no zip", "/zip").events[0]["error"]


def test_a_zip_larger_than_the_disk_is_refused(space, study, query, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000_100))
    assert post(space, query, packed([("a/1.png", png())]), "/zip").status == 413


# Folders on the server


def ask_for(space, query, path):
    return post(space, query, json.dumps({"path": str(path)}).encode(), "/folder")


def test_no_folder_can_be_imported_unless_it_is_listed(space, study, query, tmp_path, monkeypatch):
    monkeypatch.delenv(ROOTS, raising=False)
    assert import_roots() == ()
    assert ask_for(space, query, tmp_path).status == 400


def test_a_listed_folder_is_imported(space, study, query, tmp_path, monkeypatch):
    monkeypatch.setenv(ROOTS, f"{tmp_path / 'none'}:{tmp_path}")
    (tmp_path / "set" / "a").mkdir(parents=True)
    for number in range(3):
        (tmp_path / "set" / "a" / f"{number}.png").write_bytes(png(number))
    (tmp_path / "set" / "metadata.csv").write_text("file,slide\na/0.png,S1\n")
    step, end = ask_for(space, query, tmp_path / "set").events
    assert (step["taken"], step["total"], end) == (4, 4, {"finished": True})
    assert space.dataset(query_now(space, study)).slide is not None
    (tmp_path / "set" / "a" / "9.png").write_bytes(png(9))
    assert ask_for(space, query, tmp_path / "set").events[0]["taken"] == 2  # and the table


def test_links_and_dots_do_not_lead_out_of_a_root(tmp_path, monkeypatch):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "link").symlink_to(outside)
    monkeypatch.setenv(ROOTS, str(root))
    assert importable(f" {root}/ ") == root.resolve()
    for path in (outside, root / "link", root / ".." / "outside", root / "none", "\0", ""):
        with pytest.raises(DataError, match="no such folder"):
            importable(str(path))
    with pytest.raises(DataError):
        importable(f"{root}side")


def test_a_link_in_a_folder_does_not_lead_out(space, study, query, tmp_path, monkeypatch):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.png").write_bytes(png(7))
    (root / "1.png").write_bytes(png(1))
    (root / "2.png").symlink_to(tmp_path / "secret.png")
    monkeypatch.setenv(ROOTS, str(root))
    (step, _) = ask_for(space, query, root).events
    assert step["taken"] == 1
    assert "outside" in step["refused"][0]["reason"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff"])
def test_a_path_that_cannot_be_read_is_refused(space, study, query, body):
    assert post(space, query, body, "/folder").status == 400
