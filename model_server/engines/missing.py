"""Why a library that is installed cannot be loaded, as whoever has to mend it needs to hear."""

from __future__ import annotations

import re

PACKAGES = {
    "libgomp.so.1": "libgomp1",
    "libstdc++.so.6": "libstdc++6",
    "libgcc_s.so.1": "libgcc-s1",
}
"""What xllamacpp needs of a Linux system, and the package that has it on Debian and Ubuntu."""
NO_SUCH_FILE = re.compile(r"^(\S+): cannot open shared object file")
"""The dynamic linker's words (glibc, `elf/dl-load.c`)."""


def why_not_loaded(error: ImportError) -> str:
    """One sentence on an `import xllamacpp` that failed, with the command that mends it."""
    if isinstance(error, ModuleNotFoundError) and error.name == "xllamacpp":
        return "The fast engine is not installed; install it with: pip install botconvo"
    lacking = NO_SUCH_FILE.match(str(error))
    if lacking and lacking[1] in PACKAGES:
        return (
            f"The fast engine cannot be loaded, as this system lacks {lacking[1]}; install it "
            f"with: apt install {PACKAGES[lacking[1]]}"
        )
    return (
        f"The fast engine cannot be loaded ({error}); install it again with: "
        "pip install --force-reinstall xllamacpp"
    )
