"""What calls cost: some prices are calculated from what was asked, some are only known when the provider is done."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_imagerouter.sandbox.painting.landscape import DEFAULT_SIZE
from airflow_provider_imagerouter.sandbox.painting.output import Work


def highest_price(work: Work) -> float:
    """Say what is taken before a call, in USD: what it costs, where that can be calculated, else what it may cost."""
    calculate = _CALCULATED.get(work.parameters.model.id)
    return calculate(work) if calculate else work.parameters.model.highest_price


def final_price(work: Work) -> float:
    """Say what a call that succeeded costs, in USD."""
    calculate = _CALCULATED.get(work.parameters.model.id)
    return calculate(work) if calculate else _as_provider_charges(work)


def _as_provider_charges(work: Work) -> float:
    """Make up what a provider asked for: by quality, and for videos by length."""
    model, parameters = work.parameters.model, work.parameters
    price = model.price_of(parameters.quality)
    if not model.video:
        return price
    longer = model.length(parameters.seconds) / model.length(None)
    return min(price * longer, model.highest_price)


def _dall_e_3(work: Work) -> float:
    wide = work.parameters.size in ((1024, 1536), (1536, 1024))
    if work.parameters.quality == "high":
        return 0.12 if wide else 0.08
    return 0.08 if wide else 0.04


def _flux_2_dev_turbo(work: Work) -> float:
    """By megapixels that go in, counted as one, and come out."""
    width, height = work.parameters.size or DEFAULT_SIZE
    return (bool(work.images) + width * height / 1_000_000) * 0.008


def _ideogram_v3(work: Work) -> float:
    return {"low": 0.03, "high": 0.09}.get(work.parameters.quality, 0.06)


def _by_the_second(usd: float) -> Callable[[Work], float]:
    return lambda work: usd * work.parameters.model.length(work.parameters.seconds)


def _hunyuan_video(work: Work) -> float:
    usd = 0.02 if work.parameters.size in ((832, 480), (480, 832)) else 0.04
    return _by_the_second(usd)(work)


_CALCULATED: dict[str, Callable[[Work], float]] = {
    "openai/dall-e-3": _dall_e_3,
    "fal/flux-2-dev-turbo": _flux_2_dev_turbo,
    "ideogram-ai/ideogram-v3": _ideogram_v3,
    "google/veo-3.1-fast": _by_the_second(0.15),
    "tencent/hunyuan-video-1.5": _hunyuan_video,
}
"""From the public source of February 2026."""
