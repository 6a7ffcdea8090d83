"""Bad input: a message of one line, exit code 2, no file written."""

import importlib.util

import pytest

from gpunet.installation import install_command

MISTAKES = {
    "train mnst": "Did you mean 'mnist'?",
    "train --activation rellu": "Did you mean 'relu'?",
    "train --optimizer adem": "Did you mean 'adam'?",
    "train --precision bf16": "Did you mean 'bfloat16'?",
    "train --precision tf32 --backend numpy": "backend 'numpy' on cpu offers float32",
    "train --precision tf32 --dtype float64 --backend numpy": "--dtype float64. Give it --dtype float32",
    "train --schedule cosin": "Did you mean 'cosine'?",
    "train --loss cross": "Did you mean 'cross_entropy'?",
    "train --backend numppy": "Did you mean 'numpy'?",
    "train --backend numpy:5": "has no device '5' here; it has cpu",
    "train --optimiser adam": "did you mean --optimizer?",
    "train --lr 1": "did you mean --learning-rate?",
    "train --layers 3,4": "did you mean --hidden?",
    "trian": "did you mean train?",
    "fit digits": "did you mean train?",
    "test net digits": "did you mean evaluate?",
    "train --restart": "--restart needs --checkpoint",
    "train --metrics acc": "unknown metric 'acc'. Did you mean 'accuracy'?",
    "evaluate none digits --metrics acc": "Did you mean 'accuracy'?",
    "train table.xlsx": "on standard input. Save the sheet as CSV",
    "": "required: COMMAND",
    "train --hidden 12,a": "expected layer sizes such as 256,128, or none; got '12,a'",
    "train --hidden 0": "expected layer sizes",
    "train --batch-size 0": "at least 1, or full; got '0'",
    "train --batch-size 5000": "only 1438 examples; use full for all of them",
    "train --epochs 0": "argument --epochs: expected a whole number of at least 1; got '0'",
    "train --epochs 1.5": "argument --epochs: expected a whole number of at least 1; got '1.5'",
    "train --learning-rate=-1": "argument --learning-rate: expected a number greater than 0, or find; got '-1'",
    "train --learning-rate nan": "expected a number greater than 0, or find; got 'nan'",
    "train --dropout 1": "argument --dropout: expected a number of at least 0 and less than 1; got '1'",
    "train --seed=-1": "argument --seed: expected a whole number of at least 0; got '-1'",
    "train --momentum 0.5": "--momentum and --nesterov go with --optimizer gradient_descent, not with adamw",
    "train --patience 0": "argument --patience: expected a whole number of at least 1; got '0'",
    "train --patience 3 --validation-fraction 0": "give a --validation-fraction above 0",
    "train --validation-fraction 1.5": "--validation-fraction: expected a number of at least 0 and less than 1; got",
    "train --loss cross_entropy --output sigmoid": "Independent sigmoids go with 'logistic'",
    "train none.csv": "none.csv is not a file",
    "train --data .": "--data is the folder of mnist or fashion",
    "train --target y": "--target applies to files only",
    "train digits --kind one": "--kind applies to needles and files only",
    "train needles --kind two": "kind must be one of one, several, one_of_three",
    "train mnist --data .": "holds no file of MNIST",
    "train --save nowhere/net": "--save: there is no folder",
    "train --save .": "--save: . is a folder",
    "train --plot curve.jpg": "a plot file ends in .png, .svg, .pdf",
    "train --test-fraction 0": "argument --test-fraction: expected a number greater than 0 and less than 1; got '0'",
    "train --weight-decay=-1": "argument --weight-decay: expected a number of at least 0; got '-1'",
    "train --test-fraction 0.3": "--test-fraction applies to files only, not to digits",
    "train --dropout 0.5 --hidden none": "--dropout comes after each hidden layer, and --hidden none has none",
    "train --activation tanh --hidden none": "--activation is that of the hidden layers, and --hidden none has none",
    "train --metrics ,": "argument --metrics: expected names with commas between; got ','",
    "train table.csv --drop ,": "argument --drop: expected names with commas between; got ','",
    "train --class-weight 1=2,1=3": "expected one weight for each class, got two for '1'",
    "train --save run --checkpoint ./run": "--save and --checkpoint are both run: give each a name of its own",
    "train --save one.svg --plot ./one.svg": "--save and --plot are both one.svg: give each a name of its own",
    "train --log one.csv --save one.csv": "--save and --log are both one.csv: give each a name of its own",
    "train --label-smoothing 1": "argument --label-smoothing: expected a number of at least 0 and less than 1; got '1'",
    "train --clip-norm 0": "argument --clip-norm: expected a number greater than 0; got '0'",
    "train --clip-norm inf": "argument --clip-norm: expected a number greater than 0; got 'inf'",
    "train --momentum one": "argument --momentum: expected a number of at least 0 and less than 1; got 'one'",
    "train --lanes 0": "argument --lanes: expected a whole number of at least 1; got '0'",
    "shuffle a.npy b.npy --seed x": "argument --seed: expected a whole number of at least 0; got 'x'",
    "train --optimizer sgd": "It is 'gradient_descent' here",
    "evaluate none digits": "none: No such file",
    "predict none x.csv --data .": "--data .; --data is an option of train, evaluate (see gpunet predict --help)",
    "info --verbos": "unrecognized arguments: --verbos (see gpunet info --help)",
    "evaluate none digits --bakend numpy": "--bakend numpy; did you mean --backend? (see gpunet evaluate --help)",
    "predict none x.csv --out nowhere/p.csv": "--out: there is no folder",
    "predict none x.csv --out .": "--out: . is a folder",
    "train digits -epochs 5": "unrecognized arguments: -epochs 5; did you mean --epochs?",
    "train digits epochs=5": "unrecognized arguments: epochs=5; did you mean --epochs?",
    "train –epochs 5": "–epochs begins with a dash that is no hyphen; write --epochs",
    "train digits —seed=3": "—seed=3 begins with a dash that is no hyphen; write --seed=3",
    "train --device cpu": "did you mean --backend?",
    "train --gpu": "did you mean --backend?",
    "train --model net": "did you mean --save?",
    "export none --gpu out.onnx": "unrecognized arguments: --gpu (see gpunet export --help)",
    "predict none x.csv -o p.csv": "unrecognized arguments: -o p.csv; did you mean --out?",
    "train --backend cpu": "It is 'numpy' here",
    "train --backend gpu": "It is 'cupy' here",
    "evaluate none digits --plot nowhere/x.png": "--plot: there is no folder",
    "evaluate none digits --plot x.jpg": "a plot file ends in .png, .svg, .pdf",
    "predict none digits": "digits is a data set with targets: gpunet evaluate none digits tests the network on it",
    "lecture depth --seed x": "argument --seed: expected a whole number of at least 0; got 'x'",
    "lecture depth --answer ten": "argument --answer: expected a number such as 0.25; got 'ten'",
    "lecture --seed 0": "--seed is for experiments that run: name some",
    "lecture --out figures": "--out is for experiments that run: name some",
    "lecture --backend numpy": "--backend is for experiments that run: name some",
    "lecture depth --answer 66 --out figures": "--answer runs nothing, so --out has no meaning",
    "lecture depth --answer nan": "argument --answer: expected a number such as 0.25; got 'nan'",
}


@pytest.mark.parametrize("typed", MISTAKES)
def test_one_clear_line(bad, typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert MISTAKES[typed] in bad(*typed.split())
    assert not list(tmp_path.iterdir())


def test_what_to_install(bad, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "matplotlib" else find(name, *a)
    )
    assert install_command("plot") in bad("train", "--plot", "x.png")


def test_help(capsys):
    from gpunet.cli import main

    with pytest.raises(SystemExit) as stopped:
        main(["train", "--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert "(default: cosine)" in out
    assert "None" not in out


@pytest.mark.parametrize("more", [["--metrics", "acc"], ["--restart"], ["--checkpoint", "t.csv"]])
def test_nothing_is_read_or_printed_before(gpunet, tmp_path, monkeypatch, more):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    monkeypatch.setattr("gpunet.cli.train.open_data", lambda options: 1 / 0)
    code, out, err = gpunet("train", *more)
    assert (code, out) == (2, "")
    assert err.startswith("gpunet: error: ")
