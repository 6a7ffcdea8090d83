"""Messages of the library name its arguments; the command line names options."""

import pytest

from gpunet.cli.argument_names import with_options
from gpunet.cli.options import build_parser

OPTIONS = {"--missing", "--kind", "--batch-size", "--learning-rate", "--clip-norm", "--target"}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("name it in missing= if it means so", "name it in --missing if it means so"),
        ("or use kind='classes'", "or use --kind classes"),
        ("or say kind='classes';", "or say --kind classes;"),
        ("batch_size=None takes them all", "--batch-size full takes them all"),
        ("batch_size is 9, but", "--batch-size is 9, but"),
        (
            "Try a smaller learning_rate, or clip_norm=1.0.",
            "Try a smaller --learning-rate, or --clip-norm 1.0.",
        ),
        ("name y with target=…, got None", "name y with --target …, got None"),
        ("give the Network standardizer=gpunet.Standardizer(). Try", "leave out --standardize no. Try"),
        # What is no option stays: functions, attributes, other arguments, quoted names, and paths
        ("read_table(…, sheet=1)", "read_table(…, sheet=1)"),
        ("call learning_rate()", "call learning_rate()"),
        ("momentum_like=3", "momentum_like=3"),
        ("the column 'kind=a'", "the column 'kind=a'"),
        ("runs/kind=a/x.csv: no such file", "runs/kind=a/x.csv: no such file"),
        ("kind=a/x.csv: no such file", "kind=a/x.csv: no such file"),
        ("runs/kind=a.csv: no such file", "runs/kind=a.csv: no such file"),
        ("the column 'kind=a or b'", "the column 'kind=a or b'"),
        ("plan.batch_size-1", "plan.batch_size-1"),
    ],
)
def test_arguments_are_written_as_options(message, expected):
    assert with_options(message, OPTIONS) == expected


def test_what_the_user_wrote_stays_as_it_is():
    assert with_options("kind=a.csv: no such file", OPTIONS) == "--kind a.csv: no such file"
    assert (
        with_options("kind=a.csv: no such file", OPTIONS, ["train", "kind=a.csv"])
        == "kind=a.csv: no such file"
    )


def test_options_with_a_value_are_those_of_every_command():
    options = build_parser().options_with_values()
    assert options > OPTIONS
    assert {"--probabilities", "--nesterov", "--restart", "--help"}.isdisjoint(options)
    assert "--out" in options  # of predict
