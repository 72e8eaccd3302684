"""Files of a git revision, beside the working tree: written into a temporary folder, so that the working tree, the
index and `.git` stay as they are.

Blobs are read as they are stored, and no filter of the repository's configuration is run. A file that git LFS keeps
comes from its store; where it is not there, and for blobs above `LARGEST_BYTES`, an empty file of the same size stands
for it. What a spec reads and the revision does not hold, such as data that is not committed, is
stood for by what the working tree has (`supply`).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mixwright.compiling import Misuse
from mixwright_compiler.load.project_root import ROOT_MARKS, project_root, root_of
from mixwright_compiler.plan.weights import READ_AT_ONCE_BYTES

LARGEST_BYTES = READ_AT_ONCE_BYTES
"""Blobs above this size are not read: weights of that size are known by their size and what the lock says of them."""
COPIED_BYTES = 1 << 20
"""Of what is not committed, files up to this size are copied; of larger ones only that they are there counts."""

_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (\d+)\n"
)
_REGULAR, _LINK = ("100644", "100755"), "120000"


@dataclass(frozen=True)
class Tree:
    """A revision's files in a folder. `name`: as the revision was given. `work`, `files`: the project's root in the
    working tree, and the folder that stands for it."""

    name: str
    work: Path
    files: Path

    def counterpart(self, path: Path) -> Path:
        """Where a file of the project is in this tree."""
        return self.files / os.path.relpath(os.path.abspath(path), self.work)

    def supply(self, path: Path, *, is_pinned: bool = False) -> bool:
        """Let what is at a path of this tree, and is missing, be as in the working tree; False where nothing is there.

        A folder's files become links, a large file an empty one: a spec's data is not read to compile it. Where the
        working tree has none either, as on a machine that only looks at changes, an empty file stands for data that
        a lock pins.
        """
        work = self.work / os.path.relpath(path, self.files)
        if path.exists() or not (work.exists() or is_pinned) or not _is_inside(path, self.files):
            return False
        if not work.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            return True
        if work.is_dir():
            path.mkdir(parents=True)
            for file in work.iterdir():
                if file.is_file():
                    (path / file.name).symlink_to(file.resolve())
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            if work.stat().st_size <= COPIED_BYTES:
                shutil.copyfile(work, path)
            else:
                _write_hole(path, work.stat().st_size)
        return True


def repository_of(path: Path) -> Path:
    """The top of the working tree that a path is in.

    Raises:
        Misuse: it is in none, or git is not installed.
    """
    directory = path if path.is_dir() else path.parent
    found = _git(
        directory, "rev-parse", "--show-toplevel", why=f"{directory.resolve()} is in no git repository"
    )
    return Path(os.fsdecode(found).removesuffix("\n"))


def commit_of(repository: Path, revision: str) -> str:
    """The full id of the commit that a revision names.

    Raises:
        Misuse: it names none.
    """
    asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    why = f"no revision '{revision}' in {repository}"
    return _in_history(
        repository, *asked, why=why, hint="'git log --oneline' lists them, 'git fetch' brings others"
    )


def merge_base(repository: Path, one: str, other: str) -> str:
    """The newest commit that is in the history of both.

    Raises:
        Misuse: there is none.
    """
    ids = [commit_of(repository, one), commit_of(repository, other)]
    why = f"'{one}' and '{other}' have no commit in common"
    found = _in_history(repository, "merge-base", *ids, why=why, hint="compare two revisions by name")
    return found.split()[0]


@contextmanager
def tree_of(revision: str, project: Path, *, shown: str = "") -> Iterator[Tree]:
    """The files of a project at a revision, for as long as it lasts.

    Args:
        project: its root in the working tree.
        shown: what the revision is called in messages; as it was given by default.

    Raises:
        Misuse: no such revision, or no repository.
    """
    project = project.resolve()
    repository = repository_of(project)
    commit = commit_of(repository, revision)
    below = os.path.relpath(project, repository.resolve())
    with TemporaryDirectory(prefix="mixwright-") as directory:
        top = Path(directory).resolve() / "tree"
        files = top if below == "." else top / below
        files.mkdir(parents=True)
        _write(repository, commit, below, top)
        for mark in ROOT_MARKS:
            # So that the same folder is the project's root, whatever marks it there.
            if (project / mark).exists() and not (files / mark).exists():
                (files / mark).mkdir()
        yield Tree(shown or revision, project, files)


def spec_at(tree: Tree, spec: Path) -> Path:
    """The place in a revision's tree of a spec of the working tree."""
    return tree.counterpart(spec)


def project_of(path: Path) -> Path:
    """The project's root, of a file or a folder that may be gone from the working tree."""
    return project_root(path) if path.is_dir() else root_of(path)


def _write(repository: Path, commit: str, below: str, top: Path) -> None:
    """Write a commit's files below a folder of it."""
    where = [] if below == "." else ["--", below]
    listing = _git(
        repository, "ls-tree", "-r", "-z", "-l", "--full-tree", commit, *where, why=f"{commit} cannot be read"
    )
    links: list[tuple[Path, str]] = []
    with _Blobs(repository) as blobs:
        for line in listing.split(b"\0"):
            head, _, name = line.partition(b"\t")
            if not head:
                continue
            mode, _, object_id, size = head.decode().split()
            path = top / os.fsdecode(name)
            if mode not in (*_REGULAR, _LINK) or ".." in path.parts:
                continue  # a submodule, whose files are another repository's, or a tree that git would not make
            path.parent.mkdir(parents=True, exist_ok=True)
            if int(size) > LARGEST_BYTES:
                _write_hole(path, int(size))
                continue
            content = blobs.read(object_id)
            if mode == _LINK:
                links.append((path, os.fsdecode(content)))
            elif pointer := _POINTER.match(content):
                _write_lfs(repository, path, pointer[1].decode(), int(pointer[2]))
            else:
                path.write_bytes(content)
    for path, target in links:  # last, so that nothing is written through one
        if not path.exists() and not path.is_symlink():
            path.symlink_to(target)


def _is_inside(path: Path, directory: Path) -> bool:
    """Does writing to a path write below a directory, whatever links there are?"""
    return Path(os.path.realpath(path)).is_relative_to(directory)


class _Blobs:
    """One `git cat-file` that is asked for one blob after the other."""

    def __init__(self, repository: Path) -> None:
        self._process = subprocess.Popen(
            ["git", "cat-file", "--batch"],
            cwd=repository,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> _Blobs:
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        process.wait()

    def read(self, object_id: str) -> bytes:
        """A blob's bytes.

        Raises:
            Misuse: the repository does not have it, or is damaged.
        """
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(f"{object_id}\n".encode())
            process.stdin.flush()
            head = process.stdout.readline().split()
            if len(head) == 3:
                content = process.stdout.read(int(head[2]) + 1)[:-1]
                if len(content) == int(head[2]):
                    return content
        except BrokenPipeError:
            pass
        raise Misuse(f"git has no object {object_id}; 'git fsck' looks for what is missing")


def _write_lfs(repository: Path, path: Path, object_id: str, size: int) -> None:
    """A file that git LFS keeps: as it is in the store of the clone, else a hole of its size."""
    common = _git(repository, "rev-parse", "--git-common-dir", why=f"{repository} is no git repository")
    place = Path(
        repository, os.fsdecode(common).strip(), "lfs/objects", object_id[:2], object_id[2:4], object_id
    )
    if place.is_file() and size <= LARGEST_BYTES:
        shutil.copyfile(place, path)
    else:
        _write_hole(path, size)


def _write_hole(path: Path, size: int) -> None:
    """A file of this size without content, which takes no place on the disk."""
    with path.open("wb") as file:
        file.truncate(size)


def _in_history(repository: Path, *arguments: str, why: str, hint: str) -> str:
    """What a git command finds in the history, of which a shallow clone has only the end.

    Raises:
        Misuse: nothing: `why`, and what helps.
    """
    try:
        return _git(repository, *arguments, why=why).decode().strip()
    except Misuse as error:
        if str(error) != why:
            raise
    is_shallow = _git(repository, "rev-parse", "--is-shallow-repository", why=why).strip() == b"true"
    raise Misuse(
        f"{why}; {'this clone is shallow: `git fetch --unshallow` brings the rest' if is_shallow else hint}"
    )


def _git(directory: Path, *arguments: str, why: str) -> bytes:
    """What a git command prints.

    Raises:
        Misuse: it failed: `why`.
    """
    try:
        command: Sequence[str] = ("git", "--no-optional-locks", *arguments)
        found = subprocess.run(command, cwd=directory, capture_output=True, check=True)
    except FileNotFoundError:
        raise Misuse(
            "git is not installed, and revisions are read by it" if directory.exists() else why
        ) from None
    except subprocess.CalledProcessError as failed:
        said = failed.stderr.decode("utf-8", "replace").strip().splitlines()
        if said and "dubious ownership" in said[0]:
            raise Misuse(f"git refuses {directory}: {said[0].removeprefix('fatal: ')}") from None
        raise Misuse(why) from None
    return found.stdout
