"""One MongoDB, and the contenders that are started on it, each with a database of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from medflow import endpoints
from medflow.embedded.process import free_port
from tests.perf.contender import Server, listening
from tests.perf.corpus import Corpus

ROOT = Path(__file__).resolve().parents[2]
PEER = ROOT / "build" / "peer" / "bin" / "python"


@asynccontextmanager
async def medflow(uri: str, folder: Path, corpus: Corpus) -> AsyncIterator[Server]:
    """Run the real server with all of its roles, as `make serve` does."""
    data = folder / "medflow"
    environ = {
        **os.environ,
        "MEDFLOW_MONGODB_URI": uri,
        "MEDFLOW_MONGODB_DATABASE": "bench_medflow",
        "MEDFLOW_DATA_DIR": str(data),
        "MEDFLOW_AUTH__MODE": "open",
        "MEDFLOW_LOG__LEVEL": "WARNING",
        **{f"MEDFLOW_{part}__PORT": "0" for part in ("HTTP", "HL7", "DICOM")},
    }
    async with _process([sys.executable, "-m", "medflow", "serve"], environ, folder) as process:
        port = await _port(data, process)
        await listening(port, "/health", process)
        yield Server("MedFlow", frozenset({process.pid}), port, "/fhir", corpus, transactions=True)


@asynccontextmanager
async def fhirstarter(uri: str, folder: Path, corpus: Corpus) -> AsyncIterator[Server]:
    """Run the peer of `peer_fhirstarter.py` in its own environment."""
    port = free_port("127.0.0.1")
    program = Path(__file__).with_name("peer_fhirstarter.py")
    environ = {**os.environ, "FHIR_SEQUENCE": "R4B", "PYTHONWARNINGS": "ignore"}
    command = [str(PEER), str(program), uri, str(port)]
    async with _process(command, environ, folder) as process:
        await listening(port, "/metadata", process)
        yield Server("fhirstarter", frozenset({process.pid}), port, "", corpus, transactions=False)


async def _port(data: Path, process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(60):
        while process.returncode is None:
            found = endpoints.read(data)
            if found is not None and "http" in found:
                return int(found["http"]["port"])
            await asyncio.sleep(0.1)
    raise RuntimeError(f"`medflow serve` ended with {process.returncode}.")


@asynccontextmanager
async def _process(
    command: list[str], environ: dict[str, str], folder: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    log = folder / f"{Path(command[-2]).stem}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, env=environ, cwd=ROOT, stdout=output, stderr=output
        )
        try:
            yield process
        except BaseException:
            sys.stderr.write(log.read_text(errors="replace")[-4000:])
            raise
        finally:
            if process.returncode is None:
                process.terminate()
            async with asyncio.timeout(30):
                await process.wait()
