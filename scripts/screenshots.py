"""``make screenshots``: draw the docs' pictures of the gallery anew, by the tests that look at it in a browser."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

REPOSITORY = Path(__file__).resolve().parent.parent
TEST = "tests/ui/test_the_gallery.py"
IMAGES = REPOSITORY / "docs" / "images"
COLOURS = 256


def main() -> None:
    """Run the tests, and save what they saw with few colours."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "GALLERY_SCREENSHOTS": folder}
        ran = subprocess.run([sys.executable, "-m", "pytest", "-q", TEST], cwd=REPOSITORY, env=environment, check=False)
        if ran.returncode != 0:
            sys.exit("The gallery does not look as it should.")
        for file in sorted(Path(folder).glob("*.png")):
            save(file, IMAGES / file.name)
            print(f"{(IMAGES / file.name).relative_to(REPOSITORY)}: {(IMAGES / file.name).stat().st_size:,} bytes")


def save(file: Path, target: Path) -> None:
    """
    Save a picture with a palette.

    :param file: the screenshot
    :param target: where
    """
    with Image.open(file) as opened:
        picture = opened.convert("RGB")
    palette = picture.quantize(COLOURS, kmeans=2)
    picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(target, optimize=True)


if __name__ == "__main__":
    main()
