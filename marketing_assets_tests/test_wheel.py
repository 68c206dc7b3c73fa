"""The package as others get it: built into a wheel, installed, and loaded far from the checkout."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import dagster
import pytest

import marketing_assets
from marketing_assets_tests.support import describe_definitions

CHECKOUT = Path(marketing_assets.__file__).parent.parent
_BUILD = "import sys; from setuptools.build_meta import build_wheel; print(build_wheel(sys.argv[1]))"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built from a copy: building leaves folders behind."""
    pytest.importorskip("setuptools", minversion="77", reason="the build backend is not installed")
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "setup.py", "LICENSE", "README.md"):
        shutil.copy(CHECKOUT / name, source)
    for name in ("marketing_assets", "marketing_assets_tests"):
        shutil.copytree(CHECKOUT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    folder = tmp_path_factory.mktemp("wheel")
    built = run([sys.executable, "-c", _BUILD, str(folder)], cwd=source)
    return folder / built.splitlines()[-1]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of an environment with the wheel in it; its dependencies are the ones of this environment."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(folder), "platbase": str(folder)}))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    # A path in a .pth stands behind the environment's own packages, and no .pth over there is read: the editable
    # installation of the checkout stays out.
    (packages / "dependencies.pth").write_text(str(Path(dagster.__file__).parent.parent))
    return folder / "bin" / "python"


def run(command: list[str], cwd: Path) -> str:
    """Run a command with no settings in its environment and return what it printed."""
    bare = {"PATH": os.environ["PATH"]}
    done = subprocess.run(command, cwd=cwd, env=bare, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    code = {name for name in names if ".dist-info/" not in name}
    assert code == {
        path.relative_to(CHECKOUT).as_posix()
        for path in (CHECKOUT / "marketing_assets").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "marketing_assets/py.typed" in code
    assert "marketing_assets/storage/migrations/versions/0001_marts.py" in code
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_definitions_load_from_the_wheel_without_any_setting(installed, tmp_path):
    described = json.loads(run([str(installed), describe_definitions.__file__], cwd=tmp_path))
    assert Path(described["package"]).is_relative_to(installed.parent.parent)
    assert len(described["assets"]) == 11
    assert "great_expectations" not in described["modules"]


def test_the_installed_package_migrates_a_database(installed, tmp_path, databases):
    program = (
        "import sys; from marketing_assets.storage.migrations import is_current, migrate; "
        "migrate(sys.argv[1], 'marketing'); print(is_current(sys.argv[1], 'marketing'))"
    )
    assert run([str(installed), "-c", program, databases.create()], cwd=tmp_path) == "True\n"


def test_the_command_runs_without_any_setting(installed, wheel, tmp_path):
    [name] = [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("entry_points.txt")]
    assert (
        "marketing-assets = marketing_assets.operations.cli:run_program" in zipfile.ZipFile(wheel).read(name).decode()
    )
    told = run([str(installed), "-m", "marketing_assets.operations.cli", "--help"], cwd=tmp_path)
    assert "try every configured connection and permission" in told


def test_the_installed_distribution_tells_its_version(installed, tmp_path):
    program = "from importlib.metadata import version; print(version('marketing_assets'))"
    assert run([str(installed), "-c", program], cwd=tmp_path) == "0.1.0\n"
