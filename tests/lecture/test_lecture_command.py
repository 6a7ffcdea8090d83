"""``gpunet lecture`` on the command line."""

import builtins

import pytest

from gpunet.cli import main
from gpunet.installation import install_command
from gpunet.lecture import EXPERIMENTS, find
from gpunet.lecture.result import format_value

pytestmark = pytest.mark.slow


def test_without_arguments_it_introduces_the_lecture_and_lists_the_experiments(capsys):
    assert main(["lecture"]) == 0
    out = capsys.readouterr().out
    assert "CS229" in out
    assert "C1 to C22" in out
    assert "CLAIMS.md" in out
    for one in EXPERIMENTS:
        assert one.name in out
        assert one.title in out
        assert ", ".join(one.claims) in out


def test_a_claim_runs_its_experiment(capsys, tmp_path):
    assert main(["lecture", "C11", "--out", str(tmp_path), "--backend", "numpy"]) == 0
    out = capsys.readouterr().out
    file = tmp_path / "09-saturation.png"
    assert "C11: the derivative of σ is at most ¼" in out
    assert "    tanh′ = 1 − a² ≤ 1" in out
    assert "largest gradient, sigmoid" in out
    assert str(file) in out
    assert file.read_bytes().startswith(b"\x89PNG")


def test_a_name_runs_one_and_prints_the_mistake(capsys, tmp_path):
    assert main(["lecture", "momentum", "--out", str(tmp_path / "new" / "folder"), "--seed", "3"]) == 0
    assert "Mistake:" in capsys.readouterr().out
    assert (tmp_path / "new" / "folder" / "18-momentum.png").exists()


def test_the_output_fits_80_columns(run, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("gpunet.lecture.Experiment.run", lambda self, backend, seed: run(self.name))
    monkeypatch.setattr("gpunet.lecture.figures.png", lambda figure: b"")  # drawn by other tests
    monkeypatch.chdir(tmp_path)
    assert main(["lecture"]) == 0
    for one in EXPERIMENTS:
        assert main(["lecture", one.name, "--backend", "numpy", "--out", "."]) == 0
    lines = capsys.readouterr().out.splitlines()
    # The path of CLAIMS.md and equations are not wrapped.
    wide = [
        line for line in lines if len(line) > 80 and "CLAIMS.md" not in line and not line.startswith("    ")
    ]
    assert wide == []
    assert [line for line in lines if len(line) > 110 and "CLAIMS.md" not in line] == []


def test_no_number_is_broken_in_the_output(run):
    for one in EXPERIMENTS:
        result = run(one.name)
        lines = result.lines(80)
        for name, value in result.values.items():
            if isinstance(value, float | int):
                assert any(line.startswith(name) and line.endswith(format_value(value)) for line in lines), (
                    name
                )


def test_all_writes_figures_and_the_page(lecture_all):
    assert len(list(lecture_all.glob("*.png"))) == 4
    assert "Normalised inputs" in (lecture_all / "lecture.html").read_text(encoding="utf-8")


def test_all_prints_one_line_per_experiment(run, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("gpunet.lecture.command.find", lambda what: find("momentum"))
    monkeypatch.setattr("gpunet.lecture.Experiment.run", lambda self, backend, seed: run(self.name))
    assert main(["lecture", "ALL", "--out", str(tmp_path), "--backend", "numpy"]) == 0
    line, _, last = capsys.readouterr().out.splitlines()
    assert line.startswith("momentum    C20 ")
    assert last == f"page: {tmp_path / 'lecture.html'}"


def test_backend_and_seed_reach_the_experiment(run, monkeypatch, tmp_path):
    given = []
    monkeypatch.setattr(
        "gpunet.lecture.Experiment.run", lambda self, **options: given.append(options) or run(self.name)
    )
    assert main(["lecture", "momentum", "--out", str(tmp_path), "--backend", "numpy", "--seed", "7"]) == 0
    assert given == [{"backend": "numpy", "seed": 7}]
    assert main(["lecture", "momentum", "--out", str(tmp_path), "--seed=-1"]) == 2


def test_claims_and_names_are_found_in_any_case():
    assert [one.name for one in find("c14")] == ["depth"]
    assert [one.name for one in find("C16")] == ["depth", "starts"]
    assert [one.name for one in find("Needle")] == ["needle"]
    assert find("all") == list(EXPERIMENTS)


@pytest.mark.parametrize(
    ("typed", "nearest"), [("C23", "C22"), ("C0", "C1"), ("softmx", "softmax"), ("detector", "detectors")]
)
def test_an_unknown_name_suggests_the_nearest(typed, nearest, capsys):
    assert main(["lecture", typed]) == 2
    assert f"the nearest is '{nearest}'" in capsys.readouterr().err


def test_an_unknown_backend(capsys, tmp_path):
    assert main(["lecture", "momentum", "--backend", "nunpy", "--out", str(tmp_path)]) == 2
    assert "numpy" in capsys.readouterr().err


def test_without_matplotlib_it_says_what_to_install(capsys, monkeypatch, tmp_path):
    real = builtins.__import__

    def without(name, *rest):
        if name.partition(".")[0] == "matplotlib":
            raise ImportError("No module named 'matplotlib'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert main(["lecture", "momentum", "--out", str(tmp_path)]) == 2
    assert install_command("plot") in capsys.readouterr().err
    assert main(["lecture"]) == 0  # the list needs no matplotlib


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("14", "; the nearest is 'C14'."),
        ("alll", "; the nearest is 'all'."),
        ("vanishing", "; see depth."),
        ("Gradients", "; see depth, noise, check."),
        ("initialization", "; see starts, symmetry."),
        ("c", ". Give"),
        ("convolution", ". Give"),
        ("loss", "; see detectors, regression, batch, saturation, check."),
        ("outputs", ". Give"),  # in the texts of too many
        ("", ". Give"),
    ],
)
def test_a_word_suggests_the_experiments_about_it(typed, hint, capsys):
    """And never one that has nothing to do with it."""
    assert main(["lecture", typed]) == 2
    assert f"the lecture has no experiment {typed!r}{hint}" in capsys.readouterr().err
