import re
import subprocess
from pathlib import Path

import pytest

from celltransfer_core.demo import draw_demo

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(marker):
    return re.search(rf"<!-- {marker} -->\n```\w+\n(.*?)```", README, re.DOTALL).group(1)


def test_ci_runs_the_command_that_readme_gives():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert 'eval "$(readme tests)"' in script
    extract = re.search(r"^readme\(\) \{.*\}$", script, re.MULTILINE).group(0)
    taken = subprocess.run(
        ["/bin/bash", "-c", f"{extract}\nreadme tests"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert taken == block("tests")
    assert taken.count("\n") == block("app").count("\n") == 1
    assert "pytest" in taken
    assert block("app").endswith("celltransfer app\n")


@pytest.mark.parametrize("marker", ["app", "tests"])
def test_windows_is_told_the_same(marker):
    asked = block(marker).replace("python3 ", "py ").replace(" && ", "; ")
    assert block(f"{marker} on windows") == asked.replace(".venv/bin/", ".venv\\Scripts\\")


def test_the_six_lines_of_python_run(tmp_path, monkeypatch):
    draw_demo(tmp_path / "demo", reference_per_type=8, query_cells=30)
    monkeypatch.chdir(tmp_path)
    lines = [line for line in block("python").splitlines() if line]
    assert len(lines) <= 6
    exec("\n".join(lines), {})  # noqa: S102
    assert (tmp_path / "results" / "predictions.csv").is_file()


def test_every_file_that_readme_names_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).is_file(), target
