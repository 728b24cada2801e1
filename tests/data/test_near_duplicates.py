import io
import time
import tracemalloc

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from kmlic.data.near_duplicates import near_duplicates, perceptual_hash
from tests.data.files import encode, picture


def pixels(image):
    return np.asarray(image.convert("RGB"))


def distance(one, other):
    return (perceptual_hash(one) ^ perceptual_hash(other)).bit_count()


def test_the_hash_is_that_of_imagehash():
    imagehash = pytest.importorskip("imagehash")
    for seed in range(5):
        image = picture(120, 160, seed=seed, cells=12)
        bits = imagehash.phash(image).hash
        own = int.from_bytes(np.packbits(bits).tobytes())
        assert perceptual_hash(pixels(image)) == own


def test_scaling_saving_and_brightening_turn_few_bits():
    image = picture(120, 160, seed=1, cells=12)
    saved = Image.open(io.BytesIO(encode(image, "JPEG", quality=40)))
    for other in (
        image.resize((80, 60)),
        saved,
        ImageEnhance.Brightness(image).enhance(1.1),
    ):
        assert distance(pixels(image), pixels(other)) <= 4


def test_other_images_turn_many_bits():
    images = [pixels(picture(120, 160, seed=seed, cells=12)) for seed in range(6)]
    distances = [distance(images[0], other) for other in images[1:]]
    assert min(distances) > 12


def test_finds_what_comparing_all_pairs_finds():
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**64, 300, np.uint64)
    for number, bits in enumerate(random.integers(0, 9, 100)):
        flips = sum(1 << int(bit) for bit in random.choice(64, bits, replace=False))
        hashes[number] = hashes[number + 100] ^ np.uint64(flips)
    for limit in (0, 3, 4, 7):
        far = np.bitwise_count(hashes[:, None] ^ hashes) > limit
        found = near_duplicates(hashes, distance=limit)
        expected = {(i, j) for i, j in np.argwhere(~far).tolist() if i < j}
        within = {
            (i, j) for members in found for i in members for j in members if i < j
        }
        assert expected <= within
        linked = {i for pair in expected for i in pair}
        assert {i for members in found for i in members} == linked


def test_equal_hashes_and_chains_are_one_set():
    hashes = np.array([0, 0b111, 0, 0b111111, 2**63 + 2**62 + 2**61 + 2**60], np.uint64)
    assert near_duplicates(hashes, distance=3) == [[0, 1, 2, 3]]
    assert near_duplicates(hashes, distance=0) == [[0, 2]]
    assert near_duplicates(np.array([], np.uint64)) == []


def test_says_how_far_a_distance_may_go():
    with pytest.raises(ValueError, match="distance=17"):
        near_duplicates(np.zeros(2, np.uint64), distance=17)


def test_very_many_alike_take_linear_work():
    # All share most parts, as blank pages do, and each differs in one bit or two.
    low = np.arange(100_000, dtype=np.uint64)
    began = time.process_time()
    tracemalloc.start()
    sets = near_duplicates(low << np.uint64(20), distance=4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(len(members) for members in sets) == 100_000 and len(sets) < 5
    assert time.process_time() - began < 60 and peak < 300e6
