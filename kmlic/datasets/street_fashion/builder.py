"""The drawn dataset street_fashion for tensorflow-datasets."""

import contextlib
import io
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self, cast

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.utils import tqdm_utils

from kmlic.check_choice import check_choice
from kmlic.count_noun import count_noun
from kmlic.data.from_tfds import prepare_alone
from kmlic.data.progress import with_progress
from kmlic.datasets.deepfashion import ATTRIBUTE_GROUPS
from kmlic.datasets.street_fashion.drawing import IMAGE_SIZE
from kmlic.datasets.street_fashion.outfits import (
    COLOURS,
    GARMENTS,
    PATTERNS,
    Outfit,
    dress_figure,
)
from kmlic.make_console import make_console

__all__ = [
    "COLOURS",
    "GARMENTS",
    "PATTERNS",
    "StreetFashion",
    "StreetFashionConfig",
    "load_street_fashion_builder",
]

# Each split has its own range of indices: a longer training split does not change the
# others, and tiny is the beginning of default.
_FIRST_INDEX = {"train": 0, "validation": 1_000_000, "test": 4_000_000}
_CHUNK = 8

_Picture = tuple[bytes, list[list[float]]]  # JPEG, boxes
_Drawn = tuple[int, Outfit, _Picture]

# A worker imports only the drawing, through empty packages: the `__init__` of the real
# ones would import TensorFlow (seconds and 500 MB for each worker).
_WORKER = """
import sys, types
for name, folder in zip(
    ("kmlic", "kmlic.datasets", "kmlic.datasets.street_fashion"), sys.argv[1:]
):
    module = types.ModuleType(name)
    module.__path__ = [folder]
    sys.modules[name] = module
from kmlic.datasets.street_fashion.drawing import serve
serve(sys.stdin.buffer, sys.stdout.buffer)
"""
_FOLDERS = [str(path) for path in reversed(Path(__file__).parents[:3])]
_WORKER_COMMAND = [sys.executable, "-P", "-c", _WORKER, *_FOLDERS]


@dataclass(kw_only=True)
class StreetFashionConfig(tfds.core.BuilderConfig):
    """Configures the number of images and their seed.

    Args:
        train: number of training images.
        validation: number of validation images.
        test: number of test images.
        seed: of figures and streets.
    """

    train: int
    validation: int
    test: int
    seed: int = 0


class StreetFashion(tfds.core.GeneratorBasedBuilder):
    """Draws figures in patterned garments in front of patterned streets.

    Paper: Shen, Zhao and Luo, "Semantic Embedded Deep Neural Network", 2023, section
    IV-A, describes the set of Instagram pictures that this one imitates: 11 patterns,
    three of them in more than 5 % of the images, before a busy background; the 26
    attributes are those of Liu et al., "DeepFashion", CVPR 2016. Image i depends on the
    seed and i alone. Nothing is downloaded. An interrupted preparation leaves no
    dataset: TFDS writes into a temporary folder and renames it at the end.

    Example:
        >>> builder = StreetFashion(config="tiny", data_dir="unused")
        >>> builder.info.features["patterns"].shape
        (11,)
    """

    name = "street_fashion"
    VERSION = tfds.core.Version("1.5.0")
    RELEASE_NOTES = {  # noqa: RUF012
        "1.3.0": "Figures on streets, 11 patterns, 26 attributes.",
        "1.5.0": "Larger motifs; a test split that no choice has seen.",
    }
    BUILDER_CONFIGS = [  # noqa: RUF012
        StreetFashionConfig(name="default", train=3000, validation=600, test=1200),
        StreetFashionConfig(name="tiny", train=96, validation=32, test=32),
    ]

    # TFDS 4.9.10 would read them with a package that it does not depend on.
    url_infos = None  # nothing is downloaded: no checksums

    _painters: "_Painters | None" = None

    def _info(self) -> tfds.core.DatasetInfo:
        side = IMAGE_SIZE
        return tfds.core.DatasetInfo(
            builder=self,
            description="Drawn figures in patterned garments on patterned streets.",
            homepage="https://github.com/kmlic/kmlic",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(
                        shape=(side, side, 3), encoding_format="jpeg"
                    ),
                    "patterns": _multi_hot_feature(PATTERNS),
                    "garments": _multi_hot_feature(GARMENTS),
                    "colours": _multi_hot_feature(COLOURS),
                    "attributes": {
                        group: tfds.features.ClassLabel(names=list(names))
                        for group, names in ATTRIBUTE_GROUPS.items()
                    },
                    "boxes": tfds.features.Sequence(
                        {
                            "box": tfds.features.BBoxFeature(),
                            "garment": tfds.features.ClassLabel(names=list(GARMENTS)),
                        }
                    ),
                    "caption": tfds.features.Text(),
                    "seed": tfds.features.Scalar(np.int64),
                    "index": tfds.features.Scalar(np.int64),
                }
            ),
            disable_shuffling=True,
        )

    def download_and_prepare(self, **kwargs: Any) -> None:
        """Draws the images, unless they are already in the folder of TFDS."""
        if self.is_prepared():
            super().download_and_prepare(**kwargs)
            return
        with _Painters() as self._painters, _without_bars_of_tfds():
            super().download_and_prepare(**kwargs)

    def _log_download_bytes(self) -> None:
        """Says what is drawn, in place of what TFDS would say of a download."""
        config = self.builder_config
        count = config.train + config.validation + config.test
        make_console(stderr=True).print(
            f"street_fashion: drawing {count_noun(count, 'image')}, once for all; they "
            f"are kept in {self.data_dir}",
            soft_wrap=True,
        )

    def _log_download_done(self) -> None:
        pass

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        config, drawn = self.builder_config, {}
        if self._painters is None:
            raise RuntimeError(
                "`download_and_prepare` starts the drawing, nothing else."
            )
        for split, first in _FIRST_INDEX.items():  # no process waits between two splits
            indices = range(first, first + getattr(config, split))
            drawn[split] = self._painters.draw(indices, config.seed)
        return {split: self._generate_examples(split, drawn[split]) for split in drawn}

    def _generate_examples(
        self, split: str, drawn: Iterator[_Drawn]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        count, seed = getattr(self.builder_config, split), self.builder_config.seed
        title = f"drawing the {split} images"
        for index, outfit, (jpeg, boxes) in with_progress(drawn, title, count):
            yield index, _example(outfit, boxes, jpeg, seed, index)


def load_street_fashion_builder(
    data_dir: str | os.PathLike[str] | None = None,
    config: str | StreetFashionConfig = "default",
) -> StreetFashion:
    """Returns the dataset's builder, with all images drawn now or earlier.

    Args:
        data_dir: folder of TFDS; ~/tensorflow_datasets when None.
        config: "default", "tiny" or a `StreetFashionConfig` with another name.

    Raises:
        ValueError: for an unknown name.

    Example:
        >>> load_street_fashion_builder(config="huge")
        Traceback (most recent call last):
        ValueError: `config` must be one of 'default', 'tiny'; got config='huge'.
    """
    if isinstance(config, str):
        names = [known.name for known in StreetFashion.BUILDER_CONFIGS]
        check_choice("config", config, *names)
    return prepare_alone(lambda: StreetFashion(data_dir=data_dir, config=config))


def _multi_hot_feature(names: tuple[str, ...]) -> tfds.features.Tensor:
    return tfds.features.Tensor(shape=(len(names),), dtype=np.int8)


def _multi_hot(present: tuple[str, ...], names: tuple[str, ...]) -> np.ndarray:
    return np.array([name in present for name in names], np.int8)


def _example(
    outfit: Outfit, boxes: list[list[float]], jpeg: bytes, seed: int, index: int
) -> dict[str, Any]:
    kinds = [garment.kind for garment in outfit.garments]
    return {
        "image": io.BytesIO(jpeg),
        "patterns": _multi_hot(outfit.patterns, PATTERNS),
        "garments": _multi_hot(outfit.kinds, GARMENTS),
        "colours": _multi_hot(outfit.colours, COLOURS),
        "attributes": dict(outfit.attributes),
        "boxes": [
            {"box": tfds.features.BBox(*box), "garment": kind}
            for box, kind in zip(boxes, kinds, strict=True)
        ],
        "caption": outfit.caption,
        "seed": seed,
        "index": index,
    }


class _Painter:
    """Draws pictures in another process.

    No process pool is used: a fork would copy TensorFlow's locks, and a spawn would
    import the caller's main module with TensorFlow. The process ends when its input is
    closed, so with this one at the latest.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            _WORKER_COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the parent alone
        )
        self._orders = cast(IO[bytes], self._process.stdin)
        self._pictures = cast(IO[bytes], self._process.stdout)

    def draw(self, outfits: Mapping[int, Outfit], seed: int) -> list[_Picture]:
        """Draws the pictures of outfits, which stand below their indices."""
        orders = [
            {"garments": list(map(vars, outfit.garments)), "seed": seed, "index": index}
            for index, outfit in outfits.items()
        ]
        lines = "".join(f"{json.dumps(order)}\n" for order in orders)
        with contextlib.suppress(BrokenPipeError):
            self._orders.write(lines.encode())
            self._orders.flush()
        return [self._read(index, seed) for index in outfits]

    def _read(self, index: int, seed: int) -> _Picture:
        header = json.loads(self._pictures.readline() or b'{"bytes": 1}')
        jpeg = self._pictures.read(header["bytes"])
        if len(jpeg) < header["bytes"]:
            raise RuntimeError(
                f"the process that draws image {index} of seed {seed} ended early; "
                "see its messages above."
            )
        return jpeg, header["boxes"]

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


class _Painters:
    """Draws pictures in as many processes as there are free cores, in order."""

    def __init__(self) -> None:
        affinity = getattr(os, "sched_getaffinity", None)  # not on every system
        workers = len(affinity(0)) if affinity else os.cpu_count()
        self._threads = ThreadPoolExecutor(workers, "street_fashion")
        self._painters: list[_Painter] = []
        self._local = threading.local()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # A thread that waits for a picture stops when its process ends.
        for painter in self._painters:
            painter.end()
        self._threads.shutdown(cancel_futures=True)

    def draw(self, indices: range, seed: int) -> Iterator[_Drawn]:
        """Starts to draw, and returns an iterator of what is drawn."""
        chunks = [indices[i : i + _CHUNK] for i in range(0, len(indices), _CHUNK)]
        drawn = self._threads.map(self._draw_chunk, chunks, itertools.repeat(seed))
        return itertools.chain.from_iterable(drawn)

    def _draw_chunk(self, chunk: range, seed: int) -> list[_Drawn]:
        if not hasattr(self._local, "painter"):
            self._local.painter = _Painter()
            self._painters.append(self._local.painter)
        outfits = {index: dress_figure(seed, index) for index in chunk}
        pictures = self._local.painter.draw(outfits, seed)
        return list(zip(outfits, outfits.values(), pictures, strict=True))


@contextlib.contextmanager
def _without_bars_of_tfds() -> Iterator[None]:
    """Hides the bars of tensorflow-datasets, which do not know the number of images."""
    shown = tqdm_utils._active
    tfds.disable_progress_bar()
    try:
        yield
    finally:
        tfds.display_progress_bar(shown)
