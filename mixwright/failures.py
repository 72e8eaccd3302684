"""What failed on this machine, told in one line: the one place where every command turns a failure into its message."""

from __future__ import annotations

import errno
import os
import re

ADVICE = {
    errno.ENOSPC: "free some space and run it again; what was made is kept",
    errno.EDQUOT: "free some space and run it again; what was made is kept",
    errno.EROFS: "it is on a file system that cannot be written",
    errno.EACCES: "the user who runs this may not",
    errno.EPERM: "the user who runs this may not",
    errno.EIO: "the disk or the network drive reports an error",
    errno.EMFILE: "raise the limit: ulimit -n 4096",
    errno.ENOMEM: "give it more memory, or lower the limit of the shell (ulimit -v)",
}

MACHINE = re.compile(
    r"No space left on device|Disk quota exceeded|Read-only file system|Input/output error|Permission denied"
    r"|Cannot allocate memory|can't allocate memory|not enough memory|[Oo]ut of [Mm]emory|failed to map segment"
    r"|can't start new thread|cannot allocate|Could not allocate|unable to allocate",
)
"""How libraries that do not raise OSError or MemoryError say that the machine failed."""

FOREIGN_CODE = re.compile(r"trust_remote_code|execute the (?:configuration|modeling|tokenizer) file")
"""What transformers says of a model whose `auto_map` names code of its own."""


def failure_text(error: BaseException) -> str | None:
    """What failed on this machine; None for an error of the program itself, which tracebacks tell better."""
    text = " ".join(str(error).split())
    if isinstance(error, UnicodeEncodeError) or "surrogates not allowed" in text:
        return "a path or text holds bytes that are no UTF-8; rename the file, or set LC_ALL=C.UTF-8"
    if isinstance(error, OSError) and error.errno is not None:
        return _system(error)
    if isinstance(error, MemoryError):
        return "there is not enough memory; give it more, or lower the limit of the shell (ulimit -v)"
    if FOREIGN_CODE.search(text):
        return "the model brings code of its own (`auto_map`), which is never run; use one that transformers knows"
    if MACHINE.search(text):
        return _short(text)
    return None


def _system(error: OSError) -> str:
    what = error.strerror or os.strerror(error.errno or 0)
    name = error.filename2 or error.filename
    where = f"{os.fsdecode(name)}: " if isinstance(name, str | bytes) else ""
    advice = ADVICE.get(error.errno or 0)
    return f"{where}{what[:1].lower()}{what[1:]}" + (f"; {advice}" if advice else "")


def _short(text: str) -> str:
    return text if len(text) <= 300 else text[:299] + "…"
