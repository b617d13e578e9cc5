"""The sections of ``bench report``: what each measures, shows and says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgcrypt.arrays import Bytes
from imgcrypt.bench import (
    attack,
    cipher,
    coldstart,
    pictures,
    quality,
    robustness,
    security,
    security_tables,
    stages,
    subjects,
    timing,
)
from imgcrypt.bench.report import figures
from imgcrypt.bench.report.page import Drawing, Section

if TYPE_CHECKING:
    pass

NETS = (subjects.FIGURE_2_NET, timing.DEFAULT)
"""What is timed."""


@dataclasses.dataclass(frozen=True)
class Effort:
    """How much is measured. The defaults take some minutes on two cores.

    ``pairs`` of bench security; ``sides`` in pixels and ``payloads`` in bytes, to time; ``attacked``, pixels a side,
    and numbers of ``known`` pictures of bench attack; ``repeats``, turns of each time.
    """

    pairs: int = 25
    sides: tuple[int, ...] = (256, 512, 1024)
    payloads: tuple[int, ...] = (36 << 10, 192 << 10, 768 << 10, 3 << 20, 12 << 20)
    attacked: int = 256
    known: tuple[int, ...] = (16, 24, 48)
    repeats: int = 3


@dataclasses.dataclass(frozen=True)
class Job:
    """What to measure: ``images`` is a folder of pictures, ``few`` one of small ones, two at most, of them."""

    images: Path
    few: Path
    provider: str
    seed: int
    effort: Effort


@dataclasses.dataclass(frozen=True)
class Timing:
    """Of bench timing: table 9, and whole processes."""

    pictures: list[timing.Timed]
    cold_start: list[coldstart.ColdStart]


@dataclasses.dataclass(frozen=True)
class Results:
    """Of every part, as its own command has them."""

    stages: list[stages.Job]
    quality: list[quality.Measured]
    timing: Timing
    cipher: list[cipher.Speed]
    robustness: list[robustness.Opened]
    security: security.Results
    attack: attack.Results


Part = Callable[[Job], tuple[Any, Section]]


def of_stages(job: Job) -> tuple[list[stages.Job], Section]:
    """Table 3 and figure 3."""
    shown: dict[stages.Shown, Bytes] = {}
    loaded = list(pictures.load(job.few))
    results = stages.run(loaded, job.provider, job.seed, shown.__setitem__)
    drawings = []
    for picture in dict.fromkeys(name for name, _, _ in loaded):
        rows = {}
        for record in results:
            if record.picture == picture:
                rows[f"{record.kind}, {record.net}"] = [
                    (_stage(each, record), shown[stages.Shown(picture, record.kind, record.net, each.stage)])
                    for each in record.stages
                ]
        text = f"Table 3: {picture} as it is, sampled, encrypted and rebuilt. Entropy in bits a byte."
        drawings.append(_draw(f"stages-{picture}", text, figures.panel(rows)))
    scenes = loaded if len({name for name, _, _ in loaded}) > 1 else [*loaded, ("waves", pictures.COLOR, _scene())]
    split = {f"{name}, {kind}": (plane, stages.branches(plane, job.provider)) for name, kind, plane in scenes}
    text = (
        f"Figure 3: what the two branches of {subjects.FIGURE_2_NET} make of the middle of two scenes. The fully "
        "connected branch makes the picture, colors and contours; the CNN corrects it, its output is shown around "
        "gray. The paper's branches divide the work otherwise: see docs/reproduction.md, Departures."
    )
    drawings.append(_draw("branches", text, figures.branches(split)))
    text = (
        "A net samples the picture, the chaos cipher encrypts the measurements, and the net rebuilds the picture from "
        "them, with loss. Lossless files skip the net."
    )
    return results, Section("stages", "Stages of the job", text, drawings, list(stages.tables(results)))


def of_quality(job: Job) -> tuple[list[quality.Measured], Section]:
    """Tables 1 and 2."""
    results = quality.run([job.images], [], [], job.provider)
    text = (
        "PSNR and SSIM of every picture after the whole job, through the nets with 8-bit measurements, beside what is "
        "no net. A rate is bytes of measurements a sample: a gray pixel is one sample, a color pixel three."
    )
    drawing = _chart("quality", "Mean PSNR of the pictures by rate.", figures.quality(results))
    # What quality.tables shows picture by picture would fill many pages.
    tables = list(quality.summary_tables(results))
    return results, Section("quality", "Quality", text, [drawing], tables)


def of_timing(job: Job) -> tuple[Timing, Section]:
    """Table 9."""
    timed = timing.run(job.effort.sides, NETS, job.provider, job.effort.repeats, job.seed)
    cold = coldstart.run(job.provider, job.effort.repeats, job.seed)
    text = (
        "Seconds for square pictures in memory, there and back; the paper's are of another machine, so a ratio is that "
        "of machine and program together. Below, whole processes from a cold start."
    )
    shown = "Table 9 by size: seconds there and back, and nanoseconds for each pixel. All axes are logarithmic."
    drawing = _chart("timing", shown, figures.seconds(timed))
    section = Section("timing", "Time", text, [drawing], [*timing.tables(timed), *coldstart.tables(cold)])
    return Timing(timed, cold), section


def of_cipher(job: Job) -> tuple[list[cipher.Speed], Section]:
    """How fast the cipher is."""
    threads = list(dict.fromkeys((1, cipher.all_threads())))
    results = cipher.run(job.effort.payloads, threads, job.effort.repeats)
    text = (
        "The chaos layer alone, and the whole hybrid path in memory, beside AES-256-GCM and ChaCha20-Poly1305 of the "
        "package cryptography on the same bytes in the same run."
    )
    drawings = [
        _chart("cipher-speed", "Speed by payload, on a logarithmic axis. 1 GB is 10^9 bytes.", figures.speeds(results)),
        _chart("cipher-stages", "Where the hybrid path spends its time.", figures.cipher_stages(results)),
    ]
    return results, Section("cipher", "Speed of the cipher", text, drawings, list(cipher.tables(results)))


def of_robustness(job: Job) -> tuple[list[robustness.Opened], Section]:
    """Figures 6 and 7."""
    shown: dict[robustness.Shown, Bytes] = {}
    results = robustness.run(job.few, None, job.seed, job.provider, shown.__setitem__)
    name = results[0].picture
    damages = {
        robustness.NOISE: "Figure 6: Gaussian noise on the ciphertext, by its standard deviation in levels.",
        robustness.SPOTS: "Figure 6: salt and pepper on the ciphertext, by the share of its bytes.",
        robustness.CUT: "Figure 7: a part of the ciphertext is missing.",
    }
    drawings = [
        _draw(
            f"robustness-{damage.replace(' ', '-').lower()}",
            f"{text} {name}, under two profiles, by the paper's net, and by that with every byte believed.",
            figures.damage(results, shown, name, damage),
        )
        for damage, text in damages.items()
    ]
    text = (
        "Quality by loss, over cuts in three places, bursts and packets. Dotted: something shown is unproven. Broken: "
        "AVIF under parity, at as many bytes. A line ends where not all pictures come back."
    )
    drawings.append(_draw("robustness-losses", text, figures.losses(results)))
    text = (
        "What is lost of a file takes away the last layers of its picture: how much, not where, decides what is left, "
        "and what is left is proven. Files without parity are recovered unproven: scrambling spreads a loss over the "
        "picture, where its surroundings fill it in."
    )
    return results, Section("robustness", "Damage", text, drawings, list(robustness.tables(results)))


def of_security(job: Job) -> tuple[security.Results, Section]:
    """Tables 4 to 8, figures 5 and 9."""
    results = security.run(job.few, job.effort.pairs, job.seed, job.provider)
    drawings = []
    for picture in dict.fromkeys(each.picture for each in results.pictures):
        shown = f"Figure 5: neighbors in {picture}, gray, and in its ciphertexts, and their correlation r."
        drawings.append(_chart(f"scatter-{picture}", shown, figures.scatter(results, picture)))
        shown = (
            f"Figure 9: histograms of {picture} and of its ciphertexts, each plain one on a scale of its own. Three "
            "lines are red, green and blue."
        )
        drawings.append(_chart(f"histograms-{picture}", shown, figures.histograms(results, picture)))
    return results, Section(
        "security", "Statistics of ciphertexts", results.caveat, drawings, list(security_tables.tables(results))
    )


def of_attack(job: Job) -> tuple[attack.Results, Section]:
    """Figure 8."""
    shown: dict[attack.Shown, Bytes] = {}
    images = job.few if len(pictures.paths(job.few)) > 1 else None
    results = attack.run(images, job.effort.attacked, job.effort.known, job.seed, shown.__setitem__)
    text = (
        "Chosen and known pictures against the suite chaos as it is, and against the same cipher with the binding of "
        f"its key taken away, where the attacks must succeed. {attack.NO_PROOF}"
    )
    drawings = [
        _draw(
            "attacks",
            "What each attack makes of the ciphertext of a picture that it has not seen, and how much of it is right; "
            "0.4 % is chance.",
            figures.attacks(results, shown),
        ),
        _draw(
            "black-white",
            "Figure 8: a black and a white picture encrypted. They look alike whether the attacks succeed or not.",
            figures.black_and_white(results, shown),
        ),
    ]
    return results, Section("attack", "Attacks", text, drawings, list(attack.tables(results)))


PARTS: dict[str, Part] = {
    "stages": of_stages,
    "quality": of_quality,
    "timing": of_timing,
    "cipher": of_cipher,
    "robustness": of_robustness,
    "security": of_security,
    "attack": of_attack,
}
"""In their order on the page."""


def _scene() -> Bytes:
    """A made picture, beside one that stands alone."""
    return pictures.waves(figures.MIDDLE, 3)


def _stage(stage: stages.Stage, record: stages.Job) -> str:
    told = {stages.REBUILT: f"{record.psnr_db:.2f} dB", stages.PICTURE: f"entropy {stage.entropy_bits:.2f}"}
    note = told.get(stage.stage, f"entropy {stage.entropy_bits:.4f}")
    return f"{stage.stage}\n{stage.bytes:,} bytes, {note}"


def _draw(name: str, caption: str, figure: Any) -> Drawing:
    """Of pictures."""
    return Drawing(name, caption, figures.png(figure))


def _chart(name: str, caption: str, figure: Any) -> Drawing:
    """Of lines, dots and bars: also as a vector graphic."""
    return Drawing(name, caption, figures.png(figure), figures.svg(figure))
