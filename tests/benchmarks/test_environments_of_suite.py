"""Environments of rivals: made once, made again when requirements change, and failures in words."""

import hashlib
import sys

import profiles
import pytest

pytest.importorskip("benchmarks", reason="the tests run without the benchmarks")
if sys.platform != "linux":
    pytest.skip("the suite needs Linux", allow_module_level=True)

from benchmarks.suite import environments
from benchmarks.suite.environments import Environments, InstallError
from benchmarks.suite.rival import Rival


@pytest.fixture
def requirements(tmp_path, monkeypatch):
    """The file of an environment called "own"."""
    monkeypatch.setattr(environments, "BENCHMARKS", tmp_path)
    file = tmp_path / "environments" / "own.txt"
    file.parent.mkdir()
    file.write_text("# what venv brings\npip\n", encoding="utf-8")
    return file


def rival(*packages, environment="own"):
    return Rival("rival", lambda task: task, ("warm",), packages, environment)


def python(tmp_path, one, told, **more):
    found = Environments(tmp_path / "made", True, told.append, **more)
    found.prepare([one])
    return found.python(one)


@pytest.mark.skipif(not profiles.THOROUGH, reason="making an environment takes seconds")
def test_an_environment_is_made_once(tmp_path, requirements):
    told = []
    made = python(tmp_path, rival("pip"), told)
    assert made.is_file()
    assert told[0] == "installing the environment own"
    assert told[1].startswith("installed the environment own in ")
    again = []
    assert python(tmp_path, rival("pip"), again) == made
    assert again == []
    with pytest.raises(InstallError, match=r"^no no-such-package$"):
        python(tmp_path, rival("pip", "no-such-package"), [])


def test_one_that_takes_too_long_or_has_no_file_is_refused(tmp_path, requirements):
    told = []
    with pytest.raises(InstallError, match=r"pip took more than 0\.001 s"):
        python(tmp_path, rival(), told, seconds=0.001)
    assert "the environment own failed after" in told[-1]
    with pytest.raises(InstallError, match=r"there is no benchmarks/environments/other\.txt"):
        python(tmp_path, rival(environment="other"), [])


def test_one_that_is_there_is_used_without_installing(tmp_path, requirements):
    not_told = Environments(tmp_path / "made", False, pytest.fail)
    not_told.prepare([rival()])
    with pytest.raises(InstallError, match=r"it needs the environment own; run without --no-inst"):
        not_told.python(rival())
    folder = tmp_path / "made" / "own"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    version = requirements.read_bytes() + sys.version.encode()
    (folder / "requirements.sha256").write_text(hashlib.sha256(version).hexdigest())
    not_told.prepare([rival()])
    assert not_told.python(rival()) == folder / "bin" / "python"
    requirements.write_text("pip\nnumpy\n", encoding="utf-8")
    changed = Environments(tmp_path / "made", False, pytest.fail)
    changed.prepare([rival()])
    with pytest.raises(InstallError, match=r"it needs the environment own"):
        changed.python(rival())


def test_packages_of_this_python_need_no_environment(tmp_path):
    one = rival("numpy", environment="main")
    assert str(python(tmp_path, one, [])) == sys.executable
    assert not (tmp_path / "made").exists()


def test_the_line_that_says_most_is_shown():
    built = ["  RuntimeError: Could not find opencv.", "  [end]", "ERROR: no wheel", "note: see"]
    assert environments.reason(built) == "RuntimeError: Could not find opencv."
    assert environments.reason(["x", *built[2:]]) == "ERROR: no wheel"
    assert environments.reason(["said this", ""]) == "said this"
    assert environments.reason([]) == "pip failed and said nothing"
