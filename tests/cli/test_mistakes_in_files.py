"""Files that a command cannot use, or must not replace: one line, nothing written."""

import numpy as np
import pytest


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
    assert "must be numbers for --kind values, got 'x'" in bad("train", path, "--kind", "values")
    assert "--standardize set is for arrays" in bad("train", path, "--standardize", "set")
    assert "--standardize robust is for tables" in bad("train", "digits", "--standardize", "robust")
    for option in ("--drop", "--columns", "--missing", "--separator"):
        assert f"{option} applies to tables only, not to digits" in bad("train", "digits", option, "x")


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
