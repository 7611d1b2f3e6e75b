import pytest


@pytest.fixture
def blocked(tmp_path):
    """A folder that cannot be made: a file is in its way."""
    (tmp_path / "file").write_text("in the way")
    return tmp_path / "file" / "out"
