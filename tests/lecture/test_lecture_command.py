"""``gpunet lecture`` as people type it."""

import builtins

import pytest

from gpunet.cli import main
from gpunet.lecture import EXPERIMENTS, find


def test_it_lists_the_experiments(capsys):
    assert main(["lecture"]) == 0
    said = capsys.readouterr().out
    for one in EXPERIMENTS:
        assert one.name in said
        assert one.title in said


def test_a_claim_runs_what_shows_it(capsys, tmp_path):
    assert main(["lecture", "C11", "--out", str(tmp_path), "--backend", "numpy"]) == 0
    said = capsys.readouterr().out
    file = tmp_path / "09-saturation.png"
    assert "largest gradient, sigmoid" in said
    assert str(file) in said
    assert file.read_bytes().startswith(b"\x89PNG")


def test_a_name_runs_one_and_shows_the_slip(capsys, tmp_path):
    assert main(["lecture", "momentum", "--out", str(tmp_path / "new" / "folder"), "--seed", "3"]) == 0
    assert "The slip:" in capsys.readouterr().out
    assert (tmp_path / "new" / "folder" / "18-momentum.png").exists()


def test_all_writes_pictures_and_the_page(capsys, monkeypatch, tmp_path):
    few = (*find("saturation"), *find("momentum"))
    monkeypatch.setattr("gpunet.lecture.command.find", lambda what: list(few))
    assert main(["lecture", "all", "--out", str(tmp_path), "--backend", "numpy"]) == 0
    assert len(list(tmp_path.glob("*.png"))) == 2
    assert "Saturation" in (tmp_path / "lecture.html").read_text(encoding="utf-8")
    assert str(tmp_path / "lecture.html") in capsys.readouterr().out


def test_claims_and_names_are_found_in_any_case():
    assert [one.name for one in find("c14")] == ["depth"]
    assert [one.name for one in find("C16")] == ["depth", "starts"]
    assert [one.name for one in find("Needle")] == ["needle"]
    assert find("all") == list(EXPERIMENTS)


@pytest.mark.parametrize(
    ("typed", "nearest"), [("C23", "C22"), ("C0", "C1"), ("softmx", "softmax"), ("detector", "detectors")]
)
def test_an_unknown_one_names_the_nearest(typed, nearest, capsys):
    assert main(["lecture", typed]) == 2
    assert f"the nearest is '{nearest}'" in capsys.readouterr().err


def test_an_unknown_backend_is_said(capsys, tmp_path):
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
    assert 'pip install "gpunet[plot]"' in capsys.readouterr().err
    assert main(["lecture"]) == 0  # the list needs no pictures
