"""Small models of torch for tests, as files of a hub. Import it after `pytest.importorskip("torch")`.

Of pyannote's models only one has its weights in a package: the segmentation inside whisperx. The others get weights by
chance, or learn a few sentences by heart: enough to see that the right files are opened and the right words come out.

`make test-torch` runs the tests that use it, with the packages of the images of variant cuda.
"""

import io
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import sentencepiece
import torch
from pyannote.audio import Model
from pyannote.audio.core.task import Problem, Resolution, Specifications
from pyannote.audio.models.embedding import WeSpeakerResNet34
from pyannote.audio.models.segmentation import PyanNet
from transformers import (
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    MarianTokenizer,
    NllbTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Processor,
)

from cp_whisperx.devices import Device, device_in_use
from cp_whisperx.ml.sound import SAMPLE_RATE, Samples

_SIZES: Final[dict[str, Any]] = {
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "max_position_embeddings": 512,
    "dropout": 0.0,
    "attention_dropout": 0.0,
}
_LESSONS: Final = 250
_SPELLING_LESSONS: Final = 60
_FRAME: Final = 320
"""Samples, 20 ms, from one answer of a wav2vec2 model to the next."""
_LETTERS: Final = ("<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ")
_HEARINGS: Final = 5


@contextmanager
def full_card() -> Iterator[None]:
    """Gives the worker a card on which there is no room at all: what moves a model there fails as torch does."""
    move = torch.nn.Module.to

    def to(model: torch.nn.Module, *arguments: Any, **options: Any) -> torch.nn.Module:  # noqa: ANN401 - as torch has it
        if any("cuda" in str(each) for each in (*arguments, *options.values())):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return move(model, *arguments, **options)

    card = Device("cuda", "NVIDIA L4", 23_034)
    with patch.object(torch.nn.Module, "to", to), patch("cp_whisperx.devices.choose_device", return_value=card):
        device_in_use.cache_clear()
        yield
    device_in_use.cache_clear()


def packaged_checkpoint() -> bytes:
    """The checkpoint of pyannote/segmentation that whisperx brings: windows of 5 s, a score for each of 3 speakers."""
    found = find_spec("whisperx")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("whisperx")
    return (Path(found.origin).parent / "assets/pytorch_model.bin").read_bytes()


def segmentation_of_sets() -> bytes:
    """A checkpoint built as pyannote/segmentation-3.0 is: windows of 10 s, a score for each set of 0 to 2 speakers."""
    torch.manual_seed(1)
    model = PyanNet()
    model.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=10.0,
        classes=["speaker#1", "speaker#2", "speaker#3"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    model.setup()
    return _checkpoint(model)


def speaker_embedding(examples: Samples) -> bytes:
    """A checkpoint built as pyannote/wespeaker-voxceleb-resnet34-LM is, with weights by chance.

    It has heard the examples, 16 kHz, so often that it tells them apart: left as it is, the network gives all sounds
    nearly the same direction.
    """
    torch.manual_seed(2)
    model = WeSpeakerResNet34()
    model.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=5.0, classes=None
    )
    sounds = torch.from_numpy(examples[: len(examples) // 16_000 * 16_000]).reshape(-1, 1, 16_000)
    with torch.no_grad():
        model.train()
        for _ in range(_HEARINGS):
            model(sounds)
        model.eval()
        model.resnet.seg_1.bias -= model(sounds).mean(dim=0)
    return _checkpoint(model)


def _checkpoint(model: Model) -> bytes:
    content: dict[str, Any] = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "pytorch-lightning_version": "2.5.5",
        "epoch": 0,
        "global_step": 0,
    }
    model.on_save_checkpoint(content)
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def opus_files(lessons: Sequence[tuple[str, str]]) -> dict[str, bytes]:
    """A model built as Helsinki-NLP/opus-mt-mul-en is, which has learnt these translations by heart."""
    torch.manual_seed(3)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        words = _vocabulary(folder, (text for lesson in lessons for text in lesson))
        pieces = ["</s>", "<unk>", *(words.id_to_piece(number) for number in range(3, len(words))), "<pad>"]
        (folder / "vocab.json").write_text(json.dumps({piece: number for number, piece in enumerate(pieces)}))
        for name in ("source.spm", "target.spm"):
            (folder / name).write_bytes((folder / "words.model").read_bytes())
        tokenizer = MarianTokenizer(
            source_spm=str(folder / "source.spm"),
            target_spm=str(folder / "target.spm"),
            vocab=str(folder / "vocab.json"),
            source_lang="mul",
            target_lang="en",
        )
        model = MarianMTModel(
            MarianConfig(
                vocab_size=len(pieces),
                eos_token_id=0,
                pad_token_id=len(pieces) - 1,
                decoder_start_token_id=len(pieces) - 1,
                forced_eos_token_id=0,
                **_SIZES,
            )
        )
        examples = [tokenizer(source, text_target=target, return_tensors="pt") for source, target in lessons]
        return _taught(model, tokenizer, examples)


def nllb_files(lessons: Sequence[tuple[str, str, str, str]]) -> dict[str, bytes]:
    """A model built as facebook/nllb-200-distilled-600M is, which has learnt translations by heart.

    A lesson is the source's language and text, then the target's.
    """
    torch.manual_seed(3)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _vocabulary(folder, (text for _, source, _, target in lessons for text in (source, target)))
        tokenizer = NllbTokenizer(vocab_file=str(folder / "words.model"))
        model = M2M100ForConditionalGeneration(
            M2M100Config(
                vocab_size=len(tokenizer), decoder_start_token_id=2, encoder_layerdrop=0, decoder_layerdrop=0, **_SIZES
            )
        )
        examples = []
        for source_language, source, target_language, target in lessons:
            tokenizer.src_lang, tokenizer.tgt_lang = source_language, target_language
            examples.append(tokenizer(source, text_target=target, return_tensors="pt"))
        return _taught(model, tokenizer, examples)


def _vocabulary(folder: Path, texts: Iterable[str]) -> sentencepiece.SentencePieceProcessor:
    """Pieces of words, found in these texts; their model lies in the folder as words.model."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(list(texts)),
        model_prefix=str(folder / "words"),
        vocab_size=200,
        hard_vocab_limit=False,
        character_coverage=1.0,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        minloglevel=2,
    )
    return sentencepiece.SentencePieceProcessor(model_file=str(folder / "words.model"))


def _taught(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, examples: Sequence[Any]) -> dict[str, bytes]:
    """The files of a model that has seen the examples until it knows them."""
    # So small a model is slower with several threads.
    torch.set_num_threads(1)
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(_LESSONS):
        optimizer.zero_grad()
        loss = sum(model(**example).loss for example in examples)
        loss.backward()
        optimizer.step()
    with tempfile.TemporaryDirectory() as place:
        model.save_pretrained(place, safe_serialization=False)
        tokenizer.save_pretrained(place)
        return {path.name: path.read_bytes() for path in Path(place).iterdir()}


def alignment_files(lessons: Sequence[tuple[Samples, Sequence[tuple[float, str]]]]) -> dict[str, bytes]:
    """A model built as facebook/wav2vec2-base-960h is, which has learnt these sounds by heart.

    A lesson is a sound, 16 kHz, and the second at which each of its letters begins; `|` is the pause before a word. As
    those of the real one, its answers are peaks: nothing but the blank between two letters.
    """
    torch.manual_seed(4)
    # So small a model is slower with several threads.
    torch.set_num_threads(1)
    model = Wav2Vec2ForCTC(
        Wav2Vec2Config(
            vocab_size=len(_LETTERS),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=64,
            conv_dim=(32,) * 7,
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=2,
            hidden_dropout=0.0,
            attention_dropout=0.0,
            feat_proj_dropout=0.0,
            final_dropout=0.0,
            layerdrop=0.0,
            mask_time_prob=0.0,
        )
    ).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    weights = torch.ones(len(_LETTERS))
    weights[0] = 0.1  # most frames are blank
    for _ in range(_SPELLING_LESSONS):
        optimizer.zero_grad()
        for sound, letters in lessons:
            scores = model(torch.from_numpy(sound)[None]).logits[0]
            wanted = torch.zeros(len(scores), dtype=torch.long)
            for second, letter in letters:
                wanted[round(second * SAMPLE_RATE / _FRAME)] = _LETTERS.index(letter)
            torch.nn.functional.cross_entropy(scores, wanted, weights).backward()
        optimizer.step()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "vocab.json").write_text(json.dumps({letter: number for number, letter in enumerate(_LETTERS)}))
        tokenizer = Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))
        Wav2Vec2Processor(Wav2Vec2FeatureExtractor(), tokenizer).save_pretrained(folder)
        model.save_pretrained(folder)
        return {path.name: path.read_bytes() for path in folder.iterdir()}
