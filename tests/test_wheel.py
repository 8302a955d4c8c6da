"""The wheel: it holds all that the package reads, and works in an environment of its own, outside of any clone."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIN = "Scripts" if os.name == "nt" else "bin"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel built from a copy of what git knows, so that nothing that lies about gets in."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    names = subprocess.check_output(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT)
    for name in filter(None, names.decode().split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "hatchling" in done.stderr:
        pytest.skip("the build backend cannot be fetched here")
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """An empty environment with the wheel alone. The packages that it needs are seen through a path file, so that no
    network is needed; a clone that is installed among them is not (path files are not followed twice)."""
    folder = tmp_path_factory.mktemp("environment") / "its own"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / BIN / ("python.exe" if os.name == "nt" else "python")
    inner = subprocess.check_output([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True)
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(inner.strip(), "outer.pth").write_text("\n".join(paths) + "\n", encoding="utf-8")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index"]
    subprocess.run([*install, "--ignore-installed", wheel], check=True, capture_output=True)
    return folder


def glass(environment: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GLASS_"))}
    program = environment / BIN / ("glass.exe" if os.name == "nt" else "glass")
    return subprocess.run([program, *words], cwd=folder, env=outside, capture_output=True, encoding="utf-8", check=False)


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    kept = {path.relative_to(ROOT).as_posix() for path in (ROOT / "glassformer").rglob("*") if path.is_file()}
    assert names == {name for name in kept if "__pycache__" not in name}
    assert {Path(name).suffix for name in names} >= {".py", ".html", ".css", ".js"}


@pytest.mark.timeout(1200)  # it prepares the village and compiles for its own place first; 100 s on a quiet machine
def test_an_installed_package_runs_the_demo_outside_of_any_clone(environment, tmp_path):
    done = glass(environment, tmp_path, "demo", "--minutes", "0.3")
    assert done.returncode == 0, done.stderr
    assert "<svg" in (tmp_path / "runs/demo/report.html").read_text(encoding="utf-8")
    facts = json.loads((tmp_path / "runs/demo/run.json").read_text(encoding="utf-8"))
    assert facts["parameters"] > 1e6
    program = str(environment / BIN / "glass")
    assert program in done.stdout.replace("'", "") and "./glass" not in done.stdout


def test_an_installed_package_answers(environment, tmp_path):
    assert glass(environment, tmp_path, "--version").stdout.startswith("Glassformer ")
    assert "shakespeare" in glass(environment, tmp_path, "settings").stdout
    assert "./glass" not in glass(environment, tmp_path, "--help").stdout
    done = glass(environment, tmp_path, "test")
    assert done.returncode == 2 and "clone the repository" in done.stderr


def test_fault_31_an_installed_package_says_the_line_that_installs_what_is_missing(environment, tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.parquet").write_bytes(b"PAR1 of which only the name counts")
    (tmp_path / "pyarrow.py").write_text("raise ModuleNotFoundError('no', name='pyarrow')")
    words = [environment / BIN / "python", "-c", "from glassformer.cli import main; main()", "prepare", "texts"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "needs pyarrow" in done.stderr
    assert "pip install" in done.stderr.replace("\n", " ") and "installing it" not in done.stderr
