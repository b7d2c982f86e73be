"""Times the viewer: writing a page, its size, opening it in Chromium, stepping, searching, scrolling.

usage: python bench/viewer.py [--questions 4000] [--words 300] [--photos] [--repeats 5]
Needs playwright (the dev extra) and Chromium; --photos gives every question its own 640 x 480 JPEG.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from browser import CHROMIUM, FLAGS, ready_ms
from playwright.sync_api import Page, sync_playwright
from synthetic_runs import Model, write_run

from vigos_eval.records import ImageRef, completion_line, read_completions
from vigos_eval.viewer.page import write_page

REPEATED = "so it is "
FRAMES = """async () => {
  const list = document.getElementById("scroller"), gaps = [];
  let last = performance.now(), most = 0;
  for (let i = 0; i < 120; i += 1) {
    list.scrollTop += 700;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    gaps.push(now - last);
    last = now;
    most = Math.max(most, document.querySelectorAll(".row").length);
  }
  gaps.sort((a, b) => a - b);
  return { median: gaps[60], p95: gaps[114], most };
}"""


def photo(seed: int) -> bytes:
    """A JPEG about as heavy as a benchmark's photographs: smooth noise, 640 x 480."""
    noise = np.random.default_rng(seed).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    stored = io.BytesIO()
    Image.fromarray(noise).resize((640, 480), Image.Resampling.BICUBIC).save(
        stored, "JPEG", quality=88
    )
    return stored.getvalue()


def make_real(run: Path, with_photos: bool) -> None:
    """Give responses words that do not repeat, as in prose, and questions their own photographs."""
    rng = np.random.default_rng(0)
    letters = np.array(list("etaoinshrdlu"))
    vocabulary = ["".join(rng.choice(letters, rng.integers(2, 10))) for _ in range(3000)]
    (run / "images").mkdir(exist_ok=True)
    lines = []
    for seed, record in enumerate(read_completions(run).values()):
        images = record.images
        if with_photos:
            content = photo(seed)
            images = (ImageRef(hashlib.sha256(content).hexdigest(), ".jpg"),)
            (run / "images" / f"{images[0].sha256}.jpg").write_bytes(content)
        responses = []
        for response in record.responses:
            repeated = response.text.count(REPEATED)
            # A few words are far more frequent than others, which is what makes prose compress.
            drawn = (rng.random(3 * repeated) ** 3 * len(vocabulary)).astype(int)
            prose = " ".join(vocabulary[i] for i in drawn)
            text = response.text.replace(REPEATED * repeated, prose)
            responses.append(replace(response, text=text))
        lines.append(completion_line(replace(record, images=images, responses=tuple(responses))))
    (run / "completions.jsonl").write_text("".join(lines), encoding="utf-8")


def timed(page: Page, action: str, until: str) -> float:
    """Milliseconds from an action in the page until a condition holds, to the next frame."""
    code = f"""async () => {{
      const start = performance.now();
      {action};
      while (!({until})) await new Promise(requestAnimationFrame);
      return performance.now() - start;
    }}"""
    return float(page.evaluate(code))


def main() -> None:
    """Write, open, measure; prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=4000)
    parser.add_argument("--words", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--photos", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run = write_run(
            Path(scratch) / "run",
            {"mmmu": args.questions // 2, "mathvista": args.questions - args.questions // 2},
            Model(words=args.words),
            settings={"images": not args.photos},
        )
        make_real(run, args.photos)
        start = time.perf_counter()
        written = write_page(run, None, run / "view.html")
        found: dict[str, object] = {
            "questions": written.questions,
            "completions_mb": (run / "completions.jsonl").stat().st_size / 1e6,
            "images_mb": sum(p.stat().st_size for p in (run / "images").iterdir()) / 1e6,
            "side_folder": written.side_folder,
            "write_s": round(time.perf_counter() - start, 1),
            "page_mb": round(written.size / 1e6, 1),
        }
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            opened = []
            for _ in range(args.repeats):
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                page.goto(written.path.as_uri())
                opened.append(ready_ms(page))
                if len(opened) < args.repeats:
                    page.close()
            found["open_ms"] = {"median": statistics.median(opened), "worst": max(opened)}
            found["scroll_frame_ms"] = page.evaluate(FRAMES)
            pressed = 'dispatchEvent(new KeyboardEvent("keydown", { key: "End" }))'
            last = f'document.querySelector(".at").textContent.startsWith("{args.questions:,} /")'
            found["jump_to_last_ms"] = round(timed(page, pressed, last))
            typed = (
                'const s = document.getElementById("search"); s.value = "question 1234 of";'
                's.dispatchEvent(new Event("input"))'
            )
            narrowed = 'document.querySelector("#count b")?.textContent === "2"'
            found["first_search_ms"] = round(timed(page, typed, narrowed))
            browser.close()
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
