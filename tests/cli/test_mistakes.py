"""Bad input: a message of one line, exit code 2, no file written."""

import importlib.util
import signal
import threading

import numpy as np
import pytest

import gpunet as gn
from gpunet.installation import install_command

MISTAKES = {
    "train mnst": "Did you mean 'mnist'?",
    "train --activation rellu": "Did you mean 'relu'?",
    "train --optimizer adem": "Did you mean 'adam'?",
    "train --precision bf16": "Did you mean 'bfloat16'?",
    "train --precision tf32 --backend numpy": "backend 'numpy' on cpu offers float32",
    "train --precision tf32 --dtype float64 --backend numpy": "dtype='float64'",
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


def test_a_file_with_one_class(bad, tmp_path):
    np.savez(tmp_path / "d.npz", X=np.ones((10, 2)), y=np.zeros(10, int))
    assert "the target 'y' holds one class only, '0'" in bad("train", tmp_path / "d.npz")
    np.savez(tmp_path / "d.npz", X=np.ones((10, 2)), y=np.ones((10, 1)))
    assert "holds one class only, '1'" in bad("train", tmp_path / "d.npz")


def test_a_file_with_a_test_set_of_its_own(bad, tmp_path):
    X, y = np.eye(20), np.arange(20) % 2
    np.savez(tmp_path / "d.npz", X_train=X, y_train=y, X_test=X, y_test=y)
    assert "d has a test set of its own" in bad("train", tmp_path / "d.npz", "--test-fraction", 0.5)


def test_a_separator_is_for_text(bad, tmp_path):
    polars = pytest.importorskip("polars")
    polars.DataFrame({"a": [1, 2], "b": [3, 4]}).write_parquet(tmp_path / "d.parquet")
    assert "separator goes with text files" in bad("train", tmp_path / "d.parquet", "--separator", ";")


def test_rows_of_named_labels_are_no_values(bad, tmp_path):
    pytest.importorskip("sklearn")
    (tmp_path / "d.svm").write_text("0,1 1:0.5\n1,2 2:0.5\n" * 10)
    assert "d has labels, several an example" in bad("train", tmp_path / "d.svm", "--kind", "values")


def test_evaluate_refuses_what_has_no_meaning_for_a_network(bad, good, tmp_path):
    X = np.random.default_rng(0).normal(size=(40, 2))
    nets = {}
    for kind, y in {"values": X[:, 0], "labels": X > 0, "classes": X[:, 0] > 0}.items():
        np.savez(tmp_path / f"{kind}.npz", X=X, y=y.astype(float if kind == "values" else int))
        nets[kind] = tmp_path / kind
        good(
            *("train", tmp_path / f"{kind}.npz", "--hidden", "none", "--epochs", 1, "--backend", "numpy"),
            *("--save", nets[kind]),
        )
    for kind in ("values", "labels"):
        refused = bad("evaluate", nets[kind], tmp_path / f"{kind}.npz", "--plot", tmp_path / "x.png")
        assert f"--plot draws the confusion matrix of classes, and {nets[kind]} predicts {kind}" in refused
    for kind, asked in (("values", "classes"), ("labels", "values"), ("classes", "values")):
        refused = bad("evaluate", nets[kind], tmp_path / f"{kind}.npz", "--kind", asked)
        assert f"--kind {asked}: {nets[kind]} predicts {kind}" in refused
    good("evaluate", nets["values"], tmp_path / "values.npz", "--kind", "values")


def test_rows_of_0_and_1_may_be_values(good, tmp_path):
    X = np.random.default_rng(0).normal(size=(40, 2))
    np.savez(tmp_path / "d.npz", X=X, y=(X > 0).astype(int))
    train = ("train", tmp_path / "d.npz", "--hidden", "none", "--epochs", 1, "--backend", "numpy")
    assert "; 2 labels" in good(*train)
    out = good(*train, "--kind", "values", "--save", tmp_path / "net")
    assert "; 2 values" in out
    loss = out[out.index("test loss") :]
    assert (
        loss.split("\n")[0]
        == "test " + good("evaluate", tmp_path / "net", tmp_path / "d.npz").split("\n")[-2]
    )


def test_mistakes_in_a_table(bad, tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("a,b,c\n1,2,x\n1,y\n")
    assert "line 3" in bad("train", path)
    path.write_text("a,a,c\n" + "1,2,x\n3,4,y\n" * 5)
    assert "2 are called 'a'" in bad("train", path)
    path.write_text("a,b,c\n" + "1,2,x\n3,4,y\n" * 5)
    assert "did you mean 'c'" in bad("train", path, "--target", "cc")
    path.write_text(",b,c\n" + "1,2,x\n3,4,y\n" * 5)
    assert "it has an unnamed one, b, c" in bad("train", path, "--target", "d")
    path.write_text("a,b,c\n" + "1,2,x\n3,4,y\n" * 5)
    assert "has no column 'nothing'" in bad("train", path, "--drop", "nothing")
    assert "at least one feature column" in bad("train", path, "--drop", "a,b")
    assert "must be numbers for kind='values', got 'x'" in bad("train", path, "--kind", "values")
    assert "--standardize set is for arrays" in bad("train", path, "--standardize", "set")
    assert "--standardize robust is for tables" in bad("train", "digits", "--standardize", "robust")
    for option in ("--drop", "--columns", "--missing", "--separator"):
        assert f"{option} applies to tables only, not to digits" in bad("train", "digits", option, "x")


def test_what_to_install(bad, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "matplotlib" else find(name, *a)
    )
    assert install_command("plot") in bad("train", "--plot", "x.png")


def test_a_run_that_diverges(gpunet, tmp_path):
    net = tmp_path / "net"
    code, _, err = gpunet(
        "train", "--optimizer", "gradient_descent", "--learning-rate", "1e30", "--save", net, "--loss", "squared_error",
        "--output", "identity",
    )  # fmt: skip
    assert code == 1
    assert "training diverged in epoch 1" in err
    assert not net.exists()


def test_help(capsys):
    from gpunet.cli import main

    with pytest.raises(SystemExit) as stopped:
        main(["train", "--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert "(default: cosine)" in out
    assert "None" not in out


@pytest.mark.parametrize(
    ("number", "code", "name"), [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM")]
)
def test_a_stopped_run(process, tmp_path, number, code, name):
    """A long run stops with the shell's exit code; the network of that moment is saved, and the run can go on."""
    net, folder = tmp_path / "net", tmp_path / "run"
    command = ["-m", "gpunet", "train", "--epochs", 10**6, "--save", net, "--checkpoint", folder]
    child = process(*command)
    deadline = threading.Timer(60, child.kill)  # ends the reading below, too
    deadline.start()
    for line in child.stderr:
        if line.startswith("epoch"):  # it trains
            break
    deadline.cancel()
    child.send_signal(number)
    _, err = child.communicate(timeout=60)
    assert child.returncode == code
    wanted = f"gpunet: stopped by {name}; saved: {net}; the same command goes on from {folder}"
    assert err.splitlines()[-1] == wanted
    saved, (checkpoint,) = gn.load(net, "numpy"), folder.glob("*.safetensors")
    for found, kept in zip(saved.parameters, gn.load(checkpoint, "numpy").parameters, strict=True):
        for a, b in zip(found, kept, strict=True):
            assert np.array_equal(a, b)
    assert {path.name for path in tmp_path.iterdir()} == {"net", "run"}


def test_a_stopped_run_goes_on(good, bad, tmp_path, monkeypatch):
    """As if nothing had happened, with values that are scaled for training, too."""
    from gpunet.training.loop import TrainingLoop

    rng = np.random.default_rng(2)
    X = rng.standard_normal((60, 3))
    np.savez(tmp_path / "data.npz", X=X, y=1e4 + 1e3 * X[:, 0])
    command = ["train", tmp_path / "data.npz", "--epochs", 6, "--patience", 4, "--hidden", 5, "--save"]
    whole = good(*command, tmp_path / "whole")
    run_steps, calls = TrainingLoop._run_steps, []

    def stopping(self, *arguments):
        calls.append(1)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return run_steps(self, *arguments)

    more = [tmp_path / "parts", "--checkpoint", tmp_path / "run"]
    with monkeypatch.context() as patch:
        patch.setattr(TrainingLoop, "_run_steps", stopping)
        with pytest.raises(SystemExit, match="130"):
            good(*command, *more)
    values = gn.load(tmp_path / "parts", "numpy").predict(X)
    assert 5e3 < values.mean() < 2e4  # in the targets' own unit
    parts = good(*command, *more)
    assert parts.replace("parts", "whole").splitlines()[-3:] == whole.splitlines()[-3:]
    both = (gn.load(tmp_path / name, "numpy").predict(X) for name in ("parts", "whole"))
    assert np.array_equal(*both)
    assert "epochs was 6, now it is 5" in bad(*command[:3], 5, *command[4:], *more)
    assert "--restart needs --checkpoint" in bad(*command, tmp_path / "net", "--restart")
    good(*command[:3], 2, *command[4:], *more, "--restart")


def test_closed_pipe(process):
    """As in ``gpunet lecture | true``: exit code 1 without a message."""
    child = process("-m", "gpunet", "lecture")
    child.stdout.close()
    err = child.stderr.read()
    assert child.wait(timeout=60) == 1
    assert err == ""


def test_a_network_of_a_table_reads_no_arrays(good, bad, tmp_path):
    rows = "".join(f"{k % 7},{k % 5},{'yes' if k % 7 > 3 else 'no'}\n" for k in range(40))
    (tmp_path / "t.csv").write_text("a,b,y\n" + rows)
    np.savez(tmp_path / "d.npz", X=np.ones((3, 2)))
    good(
        "train",
        tmp_path / "t.csv",
        "--epochs",
        1,
        "--hidden",
        4,
        "--backend",
        "numpy",
        "--save",
        tmp_path / "net",
    )
    said = bad("predict", tmp_path / "net", tmp_path / "d.npz")
    assert "was trained on a table" in said
    assert "give a table with the columns a, b" in said


def test_a_device_that_is_not_there_is_not_the_files_fault(good, bad, tmp_path):
    good("train", "digits", "--epochs", 1, "--hidden", 4, "--backend", "numpy", "--save", tmp_path / "net")
    said = bad("evaluate", tmp_path / "net", "digits", "--backend", "numpy:7")
    assert "backend 'numpy' has no device '7' here" in said
    assert "does not describe a network" not in said


def test_a_command_replaces_no_file_that_it_reads(good, bad, tmp_path):
    """Not its data, not the network."""
    rows = "".join(f"{k % 7},{k % 5},{'yes' if k % 7 > 3 else 'no'}\n" for k in range(40))
    table, net = tmp_path / "t.csv", tmp_path / "net"
    table.write_text("a,b,y\n" + rows)
    np.save(tmp_path / "X.npy", np.ones((20, 2)))
    np.save(tmp_path / "y.npy", np.arange(20) % 2)
    assert "--save: " in bad("train", table, "--save", table)
    link = tmp_path / "link"
    link.symlink_to(table)
    assert "is a file that this command reads" in bad("train", table, "--save", link)
    assert "--log: " in bad("train", table, "--log", table)
    assert "--save: " in bad(
        "train", tmp_path / "X.npy", "--target", tmp_path / "y.npy", "--save", tmp_path / "y.npy"
    )
    good("train", table, "--epochs", 1, "--hidden", 4, "--backend", "numpy", "--save", net)
    before = net.read_bytes()
    for out in (net, table):
        said = bad("predict", net, table, "--out", out)
        assert f"--out: {out} is a file that this command reads, and would be replaced" in said
    assert net.read_bytes() == before
    assert table.read_text() == "a,b,y\n" + rows
    good(
        "train", table, "--epochs", 1, "--hidden", 4, "--backend", "numpy", "--save", net
    )  # an old network is


@pytest.mark.parametrize("command", ["evaluate", "predict", "export"])
@pytest.mark.parametrize("name", ["t.csv", "t.npy"])
def test_data_and_network_in_the_wrong_order(bad, tmp_path, command, name):
    (tmp_path / name).write_text("a,b\n1,2\n")
    said = bad(command, tmp_path / name, "out.onnx" if command == "export" else tmp_path / "net")
    assert (
        f"{name} is a file of data, and no saved network: the network comes first, as in gpunet {command} NET"
        in said
    )


def test_other_files_that_are_no_network(bad, tmp_path):
    (tmp_path / "net").write_text("a,b\n1,2\n")
    assert "gpunet.load reads what Network.save wrote" in bad("evaluate", tmp_path / "net", "digits")


def test_a_file_in_the_place_of_a_folder(bad, tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    assert f"a file needs no option: gpunet train {tmp_path / 't.csv'}" in bad(
        "train", "--data", tmp_path / "t.csv"
    )
    said = bad("lecture", "depth", "--out", tmp_path / "t.csv")
    assert f"--out: {tmp_path / 't.csv'} is a file; give the name of a folder" in said


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "out of memory"),
        (MemoryError("Unable to allocate 9 TiB"), "Unable to allocate 9 TiB"),
        (gn.OutOfMemory("cuda:0 ran out of memory"), "cuda:0 ran out of memory"),
        (
            gn.FolderInUse("another run writes its checkpoints to run"),
            "another run writes its checkpoints to run",
        ),
        (gn.TeamError("4 processes were started"), "4 processes were started"),
    ],
)
def test_what_fails_is_one_line_without_a_traceback(gpunet, monkeypatch, error, said):
    def fail(options):
        raise error

    monkeypatch.setattr("gpunet.cli.options.train", fail)
    code, _, err = gpunet("train")
    assert (code, err) == (1, f"gpunet: error: {said}\n")


@pytest.mark.parametrize("more", [["--metrics", "acc"], ["--restart"], ["--checkpoint", "t.csv"]])
def test_nothing_is_read_or_printed_before(gpunet, tmp_path, monkeypatch, more):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    monkeypatch.setattr("gpunet.cli.train.open_data", lambda options: 1 / 0)
    code, out, err = gpunet("train", *more)
    assert (code, out) == (2, "")
    assert err.startswith("gpunet: error: ")
