"""Makes tests/data/sample: a few rows of every benchmark, in both sources' schemas, drawn here.

    python tests/data/make_sample_data.py            # writes beside this file
    python tests/data/make_sample_data.py OUT_DIR

The folder is what VIGOS_DATA_ROOT points at in `make demo` and in the tests. Field names are the
real data sets'; questions, pictures and answers are ours (Apache-2.0). Same code, same pixels.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
from datasets import Features, Image, List, Value
from PIL import Image as Pil

sys.path.insert(0, str(Path(__file__).parent))
import sample_rows as rows

TEXT = Value("string")
PICTURE = Image()
PICTURES = List(Image())

RELEASED = {"problem": TEXT, "images": PICTURES, "answer": TEXT, "problem_id": TEXT}
MMMU = {
    "id": TEXT, "question": TEXT, "options": TEXT, "explanation": TEXT,
    **{f"image_{n}": PICTURE for n in range(1, 8)},
    "img_type": TEXT, "answer": TEXT, "topic_difficulty": TEXT, "question_type": TEXT, "subfield": TEXT,
}  # fmt: skip
MMMU_PRO = {
    "id": TEXT, "question": TEXT, "options": TEXT, "explanation": TEXT,
    **{f"image_{n}": PICTURE for n in range(1, 8)},
    "img_type": TEXT, "answer": TEXT, "topic_difficulty": TEXT, "subject": TEXT,
}  # fmt: skip
MMMU_PRO_VISION = {"id": TEXT, "image": PICTURE, "options": TEXT, "answer": TEXT, "subject": TEXT}
MATHVERSE = {
    "sample_index": TEXT, "problem_index": TEXT, "problem_version": TEXT, "question": TEXT,
    "image": PICTURE, "answer": TEXT, "question_type": TEXT,
    "metadata": {"split": TEXT, "source": TEXT, "subject": TEXT, "subfield": TEXT},
    "query_wo": TEXT, "query_cot": TEXT, "question_for_eval": TEXT,
}  # fmt: skip
MATHVISTA = {
    "pid": TEXT, "question": TEXT, "image": TEXT, "decoded_image": PICTURE, "choices": List(TEXT),
    "unit": TEXT, "precision": Value("float64"), "answer": TEXT, "question_type": TEXT,
    "answer_type": TEXT, "metadata": {"category": TEXT, "context": TEXT, "grade": TEXT, "source": TEXT, "task": TEXT},
    "query": TEXT,
}  # fmt: skip
MMSI = {
    "id": Value("int64"), "images": List(Value("binary")), "question_type": TEXT, "question": TEXT,
    "answer": TEXT, "thought": TEXT,
}  # fmt: skip
REALWORLDQA = {"image": PICTURE, "question": TEXT, "answer": TEXT}
CV_BENCH = {
    "idx": Value("int64"), "type": TEXT, "task": TEXT, "image": PICTURE, "question": TEXT,
    "choices": List(TEXT), "answer": TEXT, "prompt": TEXT, "filename": TEXT, "source": TEXT,
    "source_dataset": TEXT, "source_filename": TEXT, "target_class": TEXT,
}  # fmt: skip
VILP = {
    "question": TEXT, "image1": PICTURE, "answer1": TEXT, "image2": PICTURE, "answer2": TEXT,
    "image3": PICTURE, "answer3": TEXT,
}  # fmt: skip
MM_VET = {"id": TEXT, "image": PICTURE, "question": TEXT, "answer": TEXT, "capability": List(TEXT)}


def main(out: Path) -> None:
    """Write every data set below `out`."""
    whole = "data/test-00000-of-00001.parquet"
    write(out / "zli12321/mm-vet" / whole, released(rows.mm_vet()), RELEASED)
    write(out / "zli12321/MMMU" / whole, released(rows.mmmu()), RELEASED)
    write(out / "zli12321/mmmu_pro_10options" / whole, released(rows.mmmu_pro()), RELEASED)
    vision = [{**row, "question": rows.IN_THE_IMAGE} for row in rows.mmmu_pro_vision()]
    bare = released(vision, is_with_options=False)
    write(out / "zli12321/mmmu-pro-vision" / whole, bare, RELEASED)
    write(out / "zli12321/mathverse" / whole, released(rows.mathverse()), RELEASED)
    write(out / "zli12321/mathvista" / whole, released(rows.mathvista()), RELEASED)
    write(out / "zli12321/MMSI" / whole, released(rows.mmsi()), RELEASED)
    write(out / "zli12321/realWorldQA" / whole, released(rows.realworldqa()), RELEASED)

    write(out / "whyu/mm-vet" / whole, rows.mm_vet(), MM_VET)
    by_subject: dict[str, list[dict[str, Any]]] = {}
    for row in rows.mmmu():
        by_subject.setdefault(row["id"].split("_", 1)[1].rsplit("_", 1)[0], []).append(row)
    for subject, some in by_subject.items():
        write(out / "MMMU/MMMU" / subject / "validation-00000-of-00001.parquet", some, MMMU)
    pro = out / "MMMU/MMMU_Pro"
    write(pro / "standard (10 options)" / "test-00000-of-00001.parquet", rows.mmmu_pro(), MMMU_PRO)
    write(pro / "vision" / "test-00000-of-00001.parquet", rows.mmmu_pro_vision(), MMMU_PRO_VISION)
    write(out / "AI4Math/MathVerse/testmini.parquet", rows.mathverse(), MATHVERSE)
    testmini = "data/testmini-00000-of-00001.parquet"
    write(out / "AI4Math/MathVista" / testmini, rows.mathvista(), MATHVISTA)
    write(out / "RunsenXu/MMSI-Bench/MMSI_Bench.parquet", rows.mmsi(), MMSI)
    write(out / "xai-org/RealworldQA" / whole, rows.realworldqa(), REALWORLDQA)

    flat = [row for row in rows.cv_bench() if row["type"] == "2D"]
    deep = [row for row in rows.cv_bench() if row["type"] == "3D"]
    write(out / "nyu-visionx/CV-Bench/test_2d.parquet", flat, CV_BENCH)
    write(out / "nyu-visionx/CV-Bench/test_3d.parquet", deep, CV_BENCH)
    write(out / "ViLP/ViLP/data/train-00000-of-00001.parquet", rows.vilp(), VILP)


def write(path: Path, some: Sequence[dict[str, Any]], columns: dict[str, Any]) -> None:
    """One parquet file with exactly these columns; a row's other keys stay out."""
    features = Features(columns)
    names = {"metadata"} & columns.keys()
    cells = [
        {
            name: (
                {key: row.get(name, {}).get(key, "") for key in columns[name]}
                if name in names
                else _cell(row.get(name), columns[name])
            )
            for name in columns
        }
        for row in some
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_list(cells, features=features).to_parquet(str(path))


def released(
    some: Sequence[dict[str, Any]], *, is_with_options: bool = True
) -> list[dict[str, Any]]:
    """Rows as `zli12321/*` publishes them: options inside the problem, images in a list."""
    made = []
    for number, row in enumerate(some):
        options = rows.options_of(row) if is_with_options else ()
        lines = [f"{letter}. {text}" for letter, text in zip("ABCDEFGHIJ", options, strict=False)]
        # The released texts hold a bare <image> where an image is meant.
        problem = "\n".join([rows.MARK.sub("<image>", row["question"]), *lines])
        made.append(
            {
                "problem": problem,
                "images": rows.images_of(row),
                "answer": row["answer"],
                "problem_id": str(number),
            }
        )
    return made


def _cell(value: object, kind: object) -> object:
    """A picture as PNG bytes; for raw binary columns as JPEG bytes; anything else as it is."""
    if isinstance(value, Pil.Image):
        return {"bytes": _bytes(value, "PNG"), "path": None}
    if isinstance(value, list) and value and isinstance(value[0], Pil.Image):
        if kind == List(Value("binary")):
            return [_bytes(picture, "JPEG") for picture in value]
        return [{"bytes": _bytes(picture, "PNG"), "path": None} for picture in value]
    return value


def _bytes(picture: Pil.Image, suffix: str) -> bytes:
    buffer = io.BytesIO()
    if suffix == "JPEG":
        picture.save(buffer, "JPEG", quality=85)
    else:
        # A palette is enough for flat drawings and a fifth of the size.
        picture.quantize(64).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "sample")
