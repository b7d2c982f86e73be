"""Training rows: any columns, any storage, several images, no image in both parts."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vigos_eval.errors import DataError
from vigos_train.config import DataConfig
from vigos_train.data import TableRows, answers, open_rows, split_rows
from vigos_train.rows import image_groups, is_held_out
from vigos_train.shapes import shape_rows


def png(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (28, 28), colour).save(buffer, format="PNG")
    return buffer.getvalue()


def jsonl(folder: Path, rows: list[Mapping[str, Any]]) -> DataConfig:
    for colour in ("red", "green", "blue"):
        (folder / f"{colour}.png").write_bytes(png(colour))
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return DataConfig(source=str(path))


def test_rows_with_several_images_keep_them_all_in_order(tmp_path: Path) -> None:
    row = {"problem": "<image><image> Same?", "images": ["red.png", "blue.png"], "answer": "no"}
    read = open_rows(jsonl(tmp_path, [row]))[0]
    assert [image.data for image in read.images] == [png("red"), png("blue")]
    assert (read.problem, read.answer) == ("Same?", "no")


@pytest.mark.parametrize("row_id", ["geo-17b", 12])
def test_an_id_is_text_whatever_it_was(tmp_path: Path, row_id: object) -> None:
    row = {"problem_id": row_id, "problem": "?", "images": "red.png", "answer": "1"}
    assert open_rows(jsonl(tmp_path, [row]))[0].id == str(row_id)


def test_other_column_names(tmp_path: Path) -> None:
    config = jsonl(tmp_path, [{"question": "Why?", "picture": "red.png", "gold": 3}])
    renamed = DataConfig(source=config.source, problem="question", images="picture", answer="gold")
    assert open_rows(renamed)[0].answer == "3"


def test_a_missing_column_lists_those_found(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'problem'; found question, picture"):
        open_rows(jsonl(tmp_path, [{"question": "Why?", "picture": "red.png"}]))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"problem": "?", "images": "gone.png"}', "gone.png does not exist"),
        ('{"problem": "?", "images": []}', "has no image"),
        ('{"problem": "?", "images": 5}', "neither bytes nor a path"),
        ('{"problem": ', "line 1 is not JSON"),
        ("[1]", "line 1 is no object"),
        ("", "holds no rows"),
    ],
)
def test_a_broken_file_is_said_before_a_model_is_loaded(
    tmp_path: Path, line: str, said: str
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(DataError) as caught:
        open_rows(DataConfig(source=str(path)))
    assert said in str(caught.value)


@pytest.mark.parametrize("kind", ["bytes", "decoded", "list"])
def test_parquet_rows_keep_the_stored_bytes(tmp_path: Path, kind: str) -> None:
    import datasets

    images: list[Any] = [{"bytes": png("red"), "path": None}, {"bytes": png("blue"), "path": None}]
    feature: Any = {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}
    if kind == "decoded":
        feature = datasets.Image()
    if kind == "list":
        feature, images = datasets.List(datasets.Image()), [[image] for image in images]
    table = datasets.Dataset.from_dict(
        {"problem": ["a", "b"], "images": images, "answer": ["1", "2"]},
        features=datasets.Features(
            {
                "problem": datasets.Value("string"),
                "images": feature,
                "answer": datasets.Value("string"),
            }
        ),
    )
    (tmp_path / "train").mkdir()
    table.to_parquet(str(tmp_path / "train" / "train-0.parquet"))
    for source in (tmp_path / "train", tmp_path / "train" / "train-0.parquet"):
        rows = open_rows(DataConfig(source=str(source)))
        assert [rows[i].images[0].data for i in range(2)] == [png("red"), png("blue")]


def test_a_hub_id_is_looked_up_in_the_data_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "someone" / "rows.jsonl"
    folder.parent.mkdir()
    jsonl(folder.parent, [{"problem": "?", "images": "red.png", "answer": "1"}])
    monkeypatch.setenv("VIGOS_DATA_ROOT", str(tmp_path))
    assert len(open_rows(DataConfig(source="someone/rows.jsonl"))) == 1


def test_a_hub_that_cannot_be_reached_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    def refused(*_: object, **__: object) -> None:
        raise ConnectionError("Couldn't reach the hub")

    monkeypatch.setattr(datasets, "load_dataset", refused)
    with pytest.raises(DataError, match=r"nobody/nothing.*VIGOS_DATA_ROOT"):
        open_rows(DataConfig(source="nobody/nothing"))


def test_no_image_is_in_both_parts_even_through_rows_with_several(tmp_path: Path) -> None:
    folder = tmp_path
    names = [f"{i}.png" for i in range(40)]
    for i, name in enumerate(names):
        Image.new("RGB", (8, 8), (i * 6, 0, 0)).save(folder / name)
    rows: list[Mapping[str, Any]] = [
        {"problem": "?", "images": [names[i], names[(i * 7 + 3) % 40]] if i % 4 == 0 else names[i]}
        for i in range(40)
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    everything = open_rows(DataConfig(source=str(folder / "rows.jsonl")))
    train, held = split_rows(everything, 0.3)
    seen = [{im.sha256 for i in range(len(p)) for im in p[i].images} for p in (train, held)]
    assert not seen[0] & seen[1]
    assert len(train) + len(held) == 40 and len(held) > 0


def test_groups_follow_shared_images_through_other_rows() -> None:
    assert len(set(image_groups([["x", "y"], ["z"], ["y", "z"], ["w"]]))) == 2


def test_the_held_out_share_is_about_what_was_asked() -> None:
    share = sum(is_held_out(str(i), 0.2) for i in range(5000)) / 5000
    assert share == pytest.approx(0.2, abs=0.02)


def test_a_split_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="leaves 1 rows"):
        split_rows(shape_rows(1), 0.0001)


def test_max_rows_takes_the_first(tmp_path: Path) -> None:
    rows = [{"problem": str(i), "images": "red.png", "answer": ""} for i in range(5)]
    config = jsonl(tmp_path, rows)
    few = open_rows(DataConfig(source=config.source, max_rows=2))
    assert [few[i].problem for i in range(len(few))] == ["0", "1"]


def test_a_first_row_without_its_image_stops_nothing(tmp_path: Path) -> None:
    rows = [{"problem": "?", "images": name, "answer": ""} for name in ("gone.png", "red.png")]
    opened = open_rows(jsonl(tmp_path, rows))
    assert len(opened) == 2 and opened[1].problem == "?"
    with pytest.raises(DataError, match="gone.png does not exist"):
        opened[0]


def test_a_path_that_is_not_there_is_no_hub_id(tmp_path: Path) -> None:
    for source in (str(tmp_path / "rows.jsonl"), "rows.parquet", "a/b/c", "rows"):
        with pytest.raises(DataError, match=r"does not exist, also not below \$VIGOS_DATA_ROOT"):
            open_rows(DataConfig(source=source))


@pytest.mark.parametrize("name", ["rows.parquet", "README.md", "rows.jsonl"])
def test_a_file_of_another_kind_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff no table")
    with pytest.raises(DataError, match=rf"{name}.*(cannot be read as parquet|is not JSON)"):
        open_rows(DataConfig(source=str(tmp_path / name)))


@pytest.mark.parametrize("kind", ["parquet", "save_to_disk"])
def test_a_split_that_the_folder_lacks_is_named_with_those_it_has(
    tmp_path: Path, kind: str
) -> None:
    """Training must not take the test rows for want of others."""
    import datasets

    table = datasets.Dataset.from_dict({"problem": ["a"], "images": [b"x"], "answer": ["1"]})
    if kind == "parquet":
        (tmp_path / "test").mkdir()
        table.to_parquet(str(tmp_path / "test" / "0000.parquet"))
    else:
        datasets.DatasetDict({"test": table}).save_to_disk(str(tmp_path))
    with pytest.raises(DataError, match="has no split 'train'; splits found: test"):
        open_rows(DataConfig(source=str(tmp_path)))


def test_an_answer_of_0_is_an_answer(tmp_path: Path) -> None:
    rows = [{"problem": "?", "images": "red.png", "answer": value} for value in (0, None)]
    assert answers(open_rows(jsonl(tmp_path, rows))) == ["0", ""]


def test_a_pil_image_is_taken_as_its_pixels() -> None:
    table = [{"problem": "?", "images": Image.new("RGB", (4, 4), "red"), "answer": "x"}]
    row = TableRows(table, DataConfig(), Path())[0]
    assert Image.open(io.BytesIO(row.images[0].data)).size == (4, 4)
