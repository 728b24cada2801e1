"""Random small models of images and texts with tokenizers, as keras-hub has them."""

import io

import keras
import pytest

from tests.backbones.keras_hub_models import SIDE, build_hub_backbone

TEXT = "a photo of the many close-up with in it this is tiger harbour red"
SCALE, OFFSET = [0.017, 0.018, 0.019], [-2.1, -2.0, -1.8]


def build_image_text_model(family):
    """Builds the model and preprocessor of "siglip" or "clip"; no download."""
    hub = pytest.importorskip("keras_hub")
    keras.utils.set_random_seed(0)
    model = build_hub_backbone(family)
    head = model.siglip_head if family == "siglip" else model.clip_head
    head.logit_scale.assign(1.5)
    if family == "siglip":
        head.logit_bias.assign(-0.7)
    name = {"siglip": "SigLIP", "clip": "CLIP"}[family]
    converter = getattr(hub.layers, f"{name}ImageConverter")(
        image_size=(SIDE, SIDE), scale=SCALE, offset=OFFSET, antialias=True
    )
    tokenizer = _siglip_tokenizer(hub) if family == "siglip" else _clip_tokenizer(hub)
    preprocessor = getattr(hub.models, f"{name}Preprocessor")(
        tokenizer, converter, sequence_length=8
    )
    return model, preprocessor


def save_image_text_model(folder, family):
    """Saves the preset of such a model, and returns it and its preprocessor."""
    model, preprocessor = build_image_text_model(family)
    model.save_to_preset(folder)
    preprocessor.save_to_preset(folder)
    return model, preprocessor


def _siglip_tokenizer(hub):
    import sentencepiece

    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([TEXT] * 20),
        model_writer=file,
        vocab_size=len(TEXT.split()) + 3,
        model_type="WORD",
        pad_id=-1,
        bos_id=-1,
        unk_id=0,
        eos_id=1,
        hard_vocab_limit=False,
    )
    return hub.models.SigLIPTokenizer(file.getvalue())


def _clip_tokenizer(hub):
    words = [*TEXT.replace("-", " ").split(), "-", "."]
    pieces, merges = ["<|endoftext|>", "<|startoftext|>"], []
    for word in words:  # from letters to words, one letter after the other
        letters = [*word[:-1], f"{word[-1]}</w>"]
        pieces += letters
        for end in range(1, len(letters)):
            start = "".join(letters[:end])
            merges.append(f"{start} {letters[end]}")
            pieces.append(start + letters[end])
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    return hub.models.CLIPTokenizer(vocabulary, merges=list(dict.fromkeys(merges)))
