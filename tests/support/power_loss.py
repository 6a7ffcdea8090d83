"""What a power cut may leave of a folder: every state that the calls made so far allow."""

import itertools
import os
import stat


class RecordedDisk:
    """Notes what has reached the disk, from the calls that change files and folders below `root`.

    A file's content is on the disk once the file is synced. A name that is made, renamed or removed is there once its
    folder is synced; before that it may be or not, whatever became of the other names. A rename is one change.
    """

    def __init__(self, root):
        self.root = os.stat(root).st_ino
        self.content = {}  # of files, by inode
        self.names = {self.root: {}}  # of folders, by inode: what is on the disk
        self.pending = []  # (folder, {name: inode or None})
        self.moments = []  # after each call: content, names, pending
        self.held = []  # descriptors, so that no inode is used again
        self.note()

    def record(self, patch):
        """Replace the calls by ones that note what they do."""
        for name in ("open", "mkdir", "fsync", "replace", "unlink"):
            patch.setattr(os, name, getattr(self, name)(getattr(os, name)))

    def close(self):
        for handle in self.held:
            os.close(handle)

    def note(self):
        names = {folder: dict(entries) for folder, entries in self.names.items()}
        self.moments.append((dict(self.content), names, list(self.pending)))

    def change(self, folder, names):
        inode = os.stat(folder or ".").st_ino
        if inode in self.names:
            self.pending.append((inode, names))
            self.note()

    def open(self, original):
        def call(path, flags, *mode, **more):
            there = os.path.lexists(path)
            handle = original(path, flags, *mode, **more)
            if flags & os.O_CREAT and not there:
                self.held.append(original(path, os.O_RDONLY))
                folder, name = os.path.split(path)
                self.change(folder, {name: os.fstat(handle).st_ino})
            return handle

        return call

    def mkdir(self, original):
        def call(path, *mode, **more):
            original(path, *mode, **more)
            folder, name = os.path.split(path)
            inode = os.stat(path).st_ino
            self.names[inode] = {}
            self.change(folder, {name: inode})

        return call

    def fsync(self, original):
        def call(handle):
            original(handle)
            about = os.fstat(handle)
            if stat.S_ISDIR(about.st_mode):
                for folder, names in self.pending:
                    if folder == about.st_ino:
                        changed(self.names[folder], names)
                self.pending = [one for one in self.pending if one[0] != about.st_ino]
            else:
                self.content[about.st_ino] = os.pread(handle, about.st_size, 0)
            self.note()

        return call

    def replace(self, original):
        def call(source, target):
            inode = os.stat(source).st_ino
            original(source, target)
            (folder, old), new = os.path.split(source), os.path.basename(target)
            self.change(folder, {old: None, new: inode})

        return call

    def unlink(self, original):
        def call(path, **more):
            original(path, **more)
            folder, name = os.path.split(path)
            self.change(folder, {name: None})

        return call

    def states(self, since=0):
        """What may be there after a power cut, from the moment `since` on: ``{path: content}``, each once."""
        seen = set()
        for content, names, pending in self.moments[since:]:
            for kept in itertools.product([False, True], repeat=len(pending)):
                found = {folder: dict(entries) for folder, entries in names.items()}
                for folder, entries in itertools.compress(pending, kept):
                    changed(found[folder], entries)
                files = dict(below(found, content, self.root, ""))
                key = frozenset(files.items())
                if key not in seen:
                    seen.add(key)
                    yield files


def changed(entries, names):
    for name, inode in names.items():
        if inode is None:
            entries.pop(name, None)
        else:
            entries[name] = inode


def below(names, content, folder, path):
    """The files below a folder, with what is on the disk of each: none of one that was not synced."""
    for name, inode in names[folder].items():
        if inode in names:
            yield from below(names, content, inode, f"{path}{name}/")
        else:
            yield f"{path}{name}", content.get(inode, b"")


def put(files, folder):
    """Make these files in a folder."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
