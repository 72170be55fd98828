"""Two shows in one folder would talk across each other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import run_botconvo

SETTINGS = "[servers]\nengine = 'echo'\nfirst_port = 0\n[[stages]]\nplatform = 'terminal'\n"


def test_a_second_show_is_refused_until_the_first_is_gone_however_it_ended(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(SETTINGS, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "run", "--fast"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as first:  # fmt: skip
        assert first.stdout is not None
        assert first.stdout.readline()
        second = run_botconvo("run")
        assert second.returncode == 2
        assert second.stdout == ""
        sentence = f"botconvo: A show runs in this folder already (process {first.pid}); end it, or"
        assert second.stderr.startswith(sentence)
        first.kill()
        first.communicate()
    again = run_botconvo("run", "--fast", "--new", "--lines", 2)
    assert again.returncode == 0, again.stderr
