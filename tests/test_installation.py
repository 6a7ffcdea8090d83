"""The command that installs an extra, from where gpunet came from."""

import importlib.metadata
import json

import pytest

from gpunet import installation
from gpunet.installation import install_command


@pytest.fixture
def origin(monkeypatch):
    """Makes gpunet look as pip has installed it: with this direct_url.json, or without (None)."""

    def installed(url):
        class Distribution:
            def read_text(self, name):
                assert name == "direct_url.json"
                return None if url is None else json.dumps(url)

        installation._origin.cache_clear()
        monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Distribution())

    yield installed
    installation._origin.cache_clear()


def test_from_a_package_index(origin):
    origin(None)
    assert install_command("plot") == 'pip install "gpunet[plot]"'


@pytest.mark.parametrize(("editable", "option"), [({"editable": True}, "-e "), ({}, "")])
def test_from_a_checkout(origin, tmp_path, monkeypatch, editable, option):
    folder = tmp_path / "a checkout"
    folder.mkdir()
    origin({"url": folder.as_uri(), "dir_info": editable})
    assert install_command("plot") == f'pip install {option}"{folder}[plot]"'
    monkeypatch.chdir(folder)
    assert install_command("tables") == f'pip install {option}".[tables]"'


def test_from_a_folder_that_is_gone(origin, tmp_path):
    """Conda packages are built in a folder that is removed."""
    origin({"url": (tmp_path / "work").as_uri(), "dir_info": {}})
    assert install_command("plot") == 'pip install "gpunet[plot]"'


def test_from_a_repository_and_a_wheel(origin):
    origin({"url": "https://example.org/gpunet", "vcs_info": {"vcs": "git", "commit_id": "0"}})
    assert install_command("plot") == 'pip install "gpunet[plot] @ git+https://example.org/gpunet"'
    origin({"url": "file:///tmp/gpunet-1.whl", "archive_info": {}})
    assert install_command("plot") == 'pip install "gpunet[plot] @ file:///tmp/gpunet-1.whl"'


def test_sources_that_are_not_installed(origin, monkeypatch):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    origin(None)
    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    root = installation.Path(installation.__file__).parents[1]
    monkeypatch.chdir(root.parent)
    assert install_command("plot") == f'pip install "{root}[plot]"'
    monkeypatch.chdir(root)
    assert install_command("plot") == 'pip install ".[plot]"'
