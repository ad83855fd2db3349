"""Compiled programs kept on disk, so that a second run of the same shape starts at once."""

from __future__ import annotations

import functools
import hashlib
import platform
from pathlib import Path

import jax

from latentome.io.converted import cache_folder

#: The most that is kept, in bytes; what was used longest ago goes first.
MAX_BYTES = 256 * 2**20
#: What compiles in less is compiled anew: JAX goes through all that is kept whenever it keeps one more.
MIN_SECONDS = 0.02


@functools.cache
def keep_compiled_programs() -> Path | None:
    """Make JAX keep the programs that it compiles, unless it was told where to keep them, or not to; give the folder.

    A program compiled for one processor may not run on another one, and home folders are shared between machines: each
    kind of processor has a folder of its own.
    """
    if jax.config.jax_compilation_cache_dir:
        return Path(jax.config.jax_compilation_cache_dir)
    base = cache_folder("programs")
    if base is None:
        return None
    folder = base / f"jax-{jax.__version__}-{_processor()}"
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", MIN_SECONDS)
    jax.config.update("jax_compilation_cache_max_size", MAX_BYTES)
    return folder


def _processor() -> str:
    """A short name for this kind of processor and what it can do."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text(encoding="utf-8", errors="replace").splitlines() if known.exists() else []
    told = sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))})
    text = "\n".join([platform.machine(), platform.processor(), *told])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
