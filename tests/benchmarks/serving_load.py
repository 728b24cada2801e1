"""An exported SavedModel under load: threads, broken images, latency, memory.

python -m tests.benchmarks.serving_load saved_models/msrn/export/1 photographs/

Imports nothing of kmlic: what is asked is `serve_bytes`, as TF Serving would.
"""

import argparse
import dataclasses
import io
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image


@dataclasses.dataclass
class Load:
    """Holds what came back.

    Args:
        milliseconds: of every request.
        memory: resident megabytes of the process, once a second.
        images: how many were scored or refused.
        broken: how many of them were broken.
        errors: what went wrong, in words.
    """

    milliseconds: list[float]
    memory: list[float]
    images: int = 0
    broken: int = 0
    errors: list[str] = dataclasses.field(default_factory=list)


def ask(
    folder: str | Path,
    files: Sequence[bytes],
    *,
    threads: int = 8,
    seconds: float = 60,
    share_broken: float = 0.05,
    share_bombs: float = 0.01,
    batch_size: int = 4,
) -> Load:
    """Asks from several threads at once and checks every answer twice.

    Good images must get what they get alone, up to rounding, and the bits that they get
    in the same batch without broken images.

    Args:
        folder: of a SavedModel's version.
        files: whole encoded images. Broken ones are made of them.
        threads: how many ask at once.
        seconds: how long.
        share_broken: share of the images that are broken.
        share_bombs: share of the images that are small and costly to decode.
        batch_size: images in a request.
    """
    loaded = tf.saved_model.load(str(folder))
    signature = loaded.signatures["serve_bytes"]
    expected = np.stack(
        [signature(image_bytes=tf.constant([f]))["probabilities"][0] for f in files]
    )
    load, bomb = Load([], []), _bomb()
    lock = threading.Lock()
    end = time.monotonic() + seconds

    def work(seed: int) -> None:
        random = np.random.default_rng(seed)
        while time.monotonic() < end:
            rows = random.integers(len(files), size=batch_size)
            draws = random.random(batch_size)
            broken = draws < share_broken + share_bombs
            contents = [
                files[row]
                if draw >= share_broken + share_bombs
                else bomb
                if draw < share_bombs
                else _broken(files[row], random)
                for row, draw in zip(rows, draws, strict=True)
            ]
            start = time.perf_counter()
            try:
                result = signature(image_bytes=tf.constant(contents))
                took = 1000 * (time.perf_counter() - start)
                error = _difference(result, expected[rows], broken)
                # Bit by bit as if the broken images beside them were good ones.
                good = signature(image_bytes=tf.constant([files[r] for r in rows]))
                same = result["probabilities"] == good["probabilities"]
                if not same.numpy()[~broken].all():
                    error = "a broken image changes the bits of those beside it"
            except Exception as raised:
                took = 1000 * (time.perf_counter() - start)
                error = repr(raised)
            with lock:
                load.milliseconds.append(took)
                load.images += batch_size
                load.broken += int(broken.sum())
                load.errors += [error] if error else []

    pool = [threading.Thread(target=work, args=(seed,)) for seed in range(threads)]
    for thread in pool:
        thread.start()
    while any(thread.is_alive() for thread in pool):
        load.memory.append(_resident_megabytes())
        time.sleep(min(1.0, seconds / 4))
    return load


def growth(memory: Sequence[float]) -> float:
    """Returns how many megabytes the last quarter's median lies above the second's."""
    quarter = len(memory) // 4
    second, last = memory[quarter : 2 * quarter], memory[-quarter:]
    return float(np.median(last) - np.median(second))


def _broken(file: bytes, random: np.random.Generator) -> bytes:
    kinds = (
        b"",
        file[: len(file) // 2],
        b"no image",
        # The header alone promises an image of 65535 x 65535 pixels.
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xff\xff\0\0\xff\xff\x08\x02\0\0\0",
    )
    return kinds[random.integers(len(kinds))]


def _bomb() -> bytes:
    """Returns a JPEG of 20,000 scans, which takes seconds to decode."""
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (1024, 1024, 3), np.uint8)
    Image.fromarray(pixels).save(file, "JPEG", progressive=True, quality=5)
    data = file.getvalue()
    start = data.rindex(b"\xff\xda")
    scan = data[start : start + 12] + b"\0\0"
    return data[:-2] + scan * 20_000 + data[-2:]


def _difference(result, expected: np.ndarray, broken: np.ndarray) -> str | None:
    if (result["ok"].numpy() == broken).any():
        return f"ok is {result['ok'].numpy()} where broken is {broken}"
    probabilities = result["probabilities"].numpy()
    difference = np.abs(probabilities - np.where(broken[:, None], 0, expected)).max()
    return None if difference < 1e-5 else f"probabilities differ by {difference:g}"


def _resident_megabytes() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    raise OSError("/proc/self/status must say VmRSS; it does not.")


def main() -> None:
    """Prints what a minute of requests gave."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--threads", type=int, default=8)
    arguments = parser.parse_args()
    paths = sorted(arguments.images.rglob("*.jpg"))[:200]
    load = ask(
        arguments.folder,
        [path.read_bytes() for path in paths],
        threads=arguments.threads,
        seconds=arguments.seconds,
    )
    points = np.percentile(load.milliseconds, [50, 90, 99, 100])
    print(
        f"{arguments.threads} threads, {arguments.seconds:g} s: "
        f"{len(load.milliseconds):,} requests, {load.images:,} images "
        f"({load.images / arguments.seconds:.0f}/s), {load.broken} of them broken, "
        f"{len(load.errors)} errors"
    )
    names = ("p50", "p90", "p99", "most")
    times = (f"{name} {point:.1f}" for name, point in zip(names, points, strict=True))
    print("ms per request:", ", ".join(times))
    print("resident MB:", " ".join(f"{value:.0f}" for value in load.memory[::5]))
    print(f"growth from second to last quarter: {growth(load.memory):+.1f} MB")
    for error in load.errors[:5]:
        print(error)


if __name__ == "__main__":
    main()
