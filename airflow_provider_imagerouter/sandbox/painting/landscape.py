"""Draws pictures: a landscape made up from the request, with the prompt written on it."""

from __future__ import annotations

import colorsys
import hashlib
import math
import random
import re

from PIL import Image, ImageDraw, ImageFilter, ImageOps

from airflow_provider_imagerouter.sandbox.painting.lettering import write_caption

Colour = tuple[int, int, int]

DEFAULT_SIZE = (1024, 1024)
MAX_PIXELS = 4096 * 4096
LARGEST_SCENE = 768


HUES = {
    "red": 0.0, "sunset": 0.04, "autumn": 0.07, "orange": 0.07, "desert": 0.09, "summer": 0.13, "yellow": 0.15,
    "spring": 0.27, "green": 0.33, "forest": 0.36, "sea": 0.52, "ocean": 0.54, "winter": 0.57, "blue": 0.6,
    "night": 0.66, "purple": 0.77, "pink": 0.91,
}  # fmt: skip
"""Words that a picture takes its colour from."""


def draw_picture(prompt: str, label: str, size: tuple[int, int] | None) -> Image.Image:
    """Draw a picture; the same arguments always give the same one.

    :param prompt: written on it
    :param label: small print below the prompt
    :param size: width and height in pixels, None for 1024 by 1024
    """
    size = size or DEFAULT_SIZE
    chance = _chance(f"{label}\n{prompt}")
    shrink = min(1.0, LARGEST_SCENE / max(size))
    scene = _landscape(chance, _hue(chance, prompt), (max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink))))
    if scene.size != size:
        scene = scene.resize(size, Image.Resampling.BICUBIC)
    return write_caption(scene, prompt, label)


def _chance(seed: str) -> random.Random:
    """Make chance repeatable."""
    return random.Random(hashlib.sha256(seed.encode("utf-8", "replace")).digest())  # noqa: S311


def _hue(chance: random.Random, prompt: str) -> float:
    """Take the colour from the first word that names one, else from chance."""
    made_up = chance.random()
    return next((HUES[word] for word in re.findall(r"\w+", prompt.lower()) if word in HUES), made_up)


def _landscape(chance: random.Random, hue: float, size: tuple[int, int]) -> Image.Image:
    turn = chance.choice((-0.12, -0.08, 0.07, 0.11, 0.5))
    night = chance.random() < 0.3
    high = _colour(hue, 0.62, 0.2 if night else 0.72)
    middle = _colour(hue + turn / 2, 0.5, 0.42 if night else 0.9)
    low = _colour(hue + turn, 0.45, 0.75 if night else 1.0)
    picture = _sky(size, high, middle, low)
    if night:
        _stars(picture, chance)
    picture = _sun(picture, chance, _colour(hue + turn, 0.12, 1.0))
    layers = chance.randint(4, 6)
    rugged = chance.random() < 0.6
    for layer in range(layers):
        depth = (layer + 1) / layers
        near = _colour(hue + turn * (1 - depth) + 0.03 * depth, 0.45 + 0.3 * depth, 0.12 + 0.05 * depth)
        colour = _mix(low, near, 0.2 + 0.8 * depth**0.8)
        picture.paste(colour, mask=_ridge(size, chance, depth, rugged))
        picture = _haze(picture, low, depth)
    return picture


def _sky(size: tuple[int, int], high: Colour, middle: Colour, low: Colour) -> Image.Image:
    gradient = Image.linear_gradient("L").resize(size)
    return ImageOps.colorize(gradient, black=high, mid=middle, white=low, midpoint=105)


def _stars(picture: Image.Image, chance: random.Random) -> None:
    draw = ImageDraw.Draw(picture)
    for _ in range(90):
        x, y = chance.random() * picture.width, chance.random() ** 1.5 * picture.height * 0.6
        radius = chance.choice((0.0004, 0.0008, 0.0014)) * picture.width
        light = chance.randint(170, 255)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(light, light, 255))


def _sun(picture: Image.Image, chance: random.Random, colour: Colour) -> Image.Image:
    width, height = picture.size
    short = min(width, height)
    x, y = round(width * chance.uniform(0.2, 0.8)), round(height * chance.uniform(0.2, 0.42))
    glow = max(2, round(short * chance.uniform(1.0, 1.5)))
    halo = Image.radial_gradient("L").resize((glow, glow)).point(lambda dark: max(0, 180 - dark))
    picture.paste(colour, (x - glow // 2, y - glow // 2), halo)
    disc = max(4, round(short * chance.uniform(0.1, 0.2)))
    mask = Image.new("L", (disc * 4, disc * 4))
    ImageDraw.Draw(mask).ellipse((0, 0, disc * 4 - 1, disc * 4 - 1), fill=245)
    picture.paste(colour, (x - disc // 2, y - disc // 2), mask.resize((disc, disc), Image.Resampling.BOX))
    return picture


def _ridge(size: tuple[int, int], chance: random.Random, depth: float, rugged: bool) -> Image.Image:
    """Make the mask of one range of hills; depth runs from 0 (far) to 1 (near)."""
    width, height = size[0] * 2, size[1] * 2
    waves = [(chance.uniform(0.7, 1.6) * 2**octave, chance.uniform(0, math.tau)) for octave in range(5)]
    swing = height * (0.16 - 0.07 * depth)
    base = height * (0.46 + 0.36 * depth)
    step = max(1, width // 256)
    edge = []
    for x in range(0, width + step, step):
        offset = 0.0
        for octave, (frequency, phase) in enumerate(waves):
            wave = math.sin(math.tau * frequency * x / width + phase)
            offset += (1 - 2 * abs(wave) if rugged else wave) * (0.55**octave)
        edge.append((x, base + offset * swing * (0.6 if rugged else 0.5)))
    mask = Image.new("L", (width, height))
    ImageDraw.Draw(mask).polygon([*edge, (width, height), (0, height)], fill=255)
    return mask.reduce(2)


def _haze(picture: Image.Image, colour: Colour, depth: float) -> Image.Image:
    """Let the air between this range and the next one glow."""
    gradient = Image.linear_gradient("L").resize(picture.size)
    strength = 0.22 * (1 - depth)
    picture.paste(colour, mask=gradient.point(lambda light: light * strength))
    return picture


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _mix(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def tint(picture: Image.Image, prompt: str, seed: str) -> Image.Image:
    """Recolour a picture in two colours.

    :param picture: in mode RGB; its size is kept
    :param prompt: may name the colour
    :param seed: any text; the same one always gives the same colours
    """
    chance = _chance(f"{seed}\n{prompt}")
    hue = _hue(chance, prompt)
    dark, light = _colour(hue, 0.85, 0.25), _colour(hue + chance.uniform(-0.02, 0.04), 0.5, 1.0)
    duotone = ImageOps.colorize(ImageOps.autocontrast(picture.convert("L")), black=dark, white=light)
    return Image.blend(picture, duotone, 0.9).filter(ImageFilter.SMOOTH)
