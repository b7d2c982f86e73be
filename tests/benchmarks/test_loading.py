"""Rows from folders and from the hub: what is read, what is recorded, and what is said when it cannot be."""

from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
from PIL import Image

from vigos_eval.benchmarks import benchmark, check_data, labels_of, load_rows, sample_from_row
from vigos_eval.benchmarks import hub as hub_module
from vigos_eval.errors import ConfigError, DataError

PHOTO = Image.new("RGB", (4, 4), "red")
FEATURES = datasets.Features(
    {
        "problem": datasets.Value("string"),
        "images": datasets.List(datasets.Image()),
        "answer": datasets.Value("string"),
        "problem_id": datasets.Value("string"),
    }
)
EMPTY = datasets.Dataset.from_dict({name: [] for name in FEATURES}, features=FEATURES)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def table(count: int = 2) -> datasets.Dataset:
    """A released data set of some rows."""
    rows = [
        {"problem": f"Which of {n}?", "images": [PHOTO], "answer": "A", "problem_id": str(n)}
        for n in range(count)
    ]
    return datasets.Dataset.from_list(rows, features=FEATURES)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty VIGOS_DATA_ROOT."""
    monkeypatch.setenv("VIGOS_DATA_ROOT", str(tmp_path))
    return tmp_path


def as_parquet(name: str) -> Callable[[Path], object]:
    return lambda folder: table().to_parquet(str(_made(folder / name)))


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(as_parquet("test-00000-of-00001.parquet"), id="parquet-split-in-name"),
        pytest.param(as_parquet("data/test-00000-of-00001.parquet"), id="parquet-in-data"),
        pytest.param(as_parquet("default/test/0000.parquet"), id="parquet-split-as-folder"),
        pytest.param(as_parquet("rows.parquet"), id="parquet-no-split-named"),
        pytest.param(lambda folder: table().save_to_disk(str(folder)), id="save_to_disk"),
        pytest.param(
            lambda folder: datasets.DatasetDict({"test": table(), "train": table(1)}).save_to_disk(str(folder)),
            id="save_to_disk-splits",
        ),
    ],
)  # fmt: skip
def test_a_folder_is_read_in_every_usual_form(write: Callable[[Path], object], root: Path) -> None:
    write(root / "zli12321/MMMU")
    rows = load_rows("mmmu")
    assert [row["problem"] for row in rows] == ["Which of 0?", "Which of 1?"]
    sample = sample_from_row("mmmu", rows[1], 1)
    assert (sample.id, len(sample.images)) == ("1", 1)


def test_only_the_files_of_the_split_are_read(root: Path) -> None:
    as_parquet("data/test-00000-of-00001.parquet")(root / "zli12321/MMMU")
    as_parquet("data/train-00000-of-00001.parquet")(root / "zli12321/MMMU")
    assert len(load_rows("mmmu")) == 2


@pytest.mark.parametrize(
    ("label", "column"),
    [("mmmu", "images"), ("mmmu_official", "image_1"), ("vilp_f", "image3"),
     ("mmsi_official", "images"), ("mathvista_official", "decoded_image")],
)  # fmt: skip
def test_images_stay_encoded(label: str, column: str, sample_data: Path) -> None:
    cell = load_rows(label)[0][column]
    images = cell if isinstance(cell, list) else [cell]
    assert images
    for image in images:
        assert isinstance(image if isinstance(image, bytes) else image["bytes"], bytes)


def test_rows_without_images_keep_everything_else(sample_data: Path) -> None:
    for label in ("mmmu_pro_official", "mathvista_official", "vilp_p", "mmsi_official"):
        whole, bare = load_rows(label), load_rows(label).without_images()
        assert len(bare) == len(whole)
        dropped = whole[0].keys() - bare[0].keys()
        assert dropped
        assert all(name.startswith(("image", "decoded_image")) for name in dropped)
        assert bare[1] == {name: value for name, value in whole[1].items() if name in bare[1]}


def test_mmmu_pro_pools_its_two_parts_and_vilp_asks_thrice(sample_data: Path) -> None:
    pooled = load_rows("mmmu_pro")
    assert [row["vigos_part"] for row in pooled] == [0] * 4 + [1] * 4
    assert [row["vigos_row"] for row in pooled] == list(range(8))
    assert len(load_rows("vilp_f")) == 12
    assert len(list(load_rows("vilp_f"))) == 12


def test_the_rows_read_are_recorded(root: Path) -> None:
    as_parquet("test.parquet")(root / "zli12321/MMMU")
    first = load_rows("mmmu").revisions
    assert first == load_rows("mmmu").revisions
    assert (first[0] or "").startswith("local-")
    table(3).to_parquet(str(root / "zli12321/MMMU/test.parquet"))
    assert load_rows("mmmu").revisions != first


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(lambda f: None, r"there is no folder .*zli12321/MMMU.*make demo", id="missing"),
        pytest.param(lambda f: f.mkdir(parents=True), "holds no parquet file.*it holds: nothing", id="empty-folder"),
        pytest.param(lambda f: _made(f / "notes.txt").write_text("x"), "it holds: notes.txt", id="other-files"),
        pytest.param(lambda f: pq.write_table(EMPTY.data.table, _made(f / "test.parquet")),
                     "is empty: 0 rows; columns found: problem, images, answer, problem_id", id="no-rows"),
        pytest.param(lambda f: table().rename_column("answer", "label").to_parquet(str(_made(f / "test.parquet"))),
                     "no column 'answer'; columns found: problem, images, label, problem_id", id="wrong-schema"),
        pytest.param(as_parquet("train.parquet"), "no split 'test'; splits found: train", id="other-split"),
        pytest.param(lambda f: _made(f / "test.parquet").write_bytes(b"PAR1 torn"), "cannot be read as parquet", id="torn-file"),
        pytest.param(lambda f: datasets.DatasetDict({"dev": table()}).save_to_disk(str(f)),
                     "no split 'test'; splits found: dev", id="saved-other-split"),
        pytest.param(lambda f: _made(f / "state.json").write_text("{"), "cannot be read as a save_to_disk", id="damaged-save"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_folder_is_said(
    make: Callable[[Path], object], says: str, root: Path
) -> None:
    make(root / "zli12321/MMMU")
    with pytest.raises(DataError, match=says):
        check_data(["mmmu"])


def test_rows_of_another_schema_are_found_before_anything_is_spent(root: Path) -> None:
    empty = table().map(lambda row: {"answer": ""})
    empty.to_parquet(str(_made(root / "zli12321/MMMU/test.parquet")))
    with pytest.raises(DataError, match="mmmu row 0: its gold answer"):
        check_data(["mmmu"])


def test_one_bad_row_does_not_stop_the_check(root: Path) -> None:
    rows = table().map(lambda row, n: {"answer": "" if n == 0 else "A"}, with_indices=True)
    rows.to_parquet(str(_made(root / "zli12321/MMMU/test.parquet")))
    check_data(["mmmu"])


class FakeHub:
    """The hub client and `datasets.load_dataset`; counts what it is asked."""

    def __init__(self, *, sha: str | None, cached: str | None = None) -> None:
        self.sha, self.cached = sha, cached
        self.loads: list[tuple[Any, ...]] = []

    def dataset_info(self, repo: str, revision: str | None, timeout: float) -> object:
        if self.sha is None:
            raise ConnectionError("Name or service not known")
        return types.SimpleNamespace(sha=revision or self.sha)

    def load_dataset(self, path: str, config: str | None, split: str, revision: str | None) -> Any:
        self.loads.append((path, config, split, revision, datasets.config.HF_HUB_OFFLINE))
        if self.sha is None and self.cached is None:
            raise ConnectionError(f"Couldn't reach '{path}' on the Hub")
        loaded = table()
        commit = revision or self.cached
        loaded.info.download_checksums = {f"hf://datasets/{path}@{commit}/data/test.parquet": {}}
        return loaded


@pytest.fixture
def use_hub(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeHub], FakeHub]:
    """Put a fake hub in the real one's place."""
    monkeypatch.delenv("VIGOS_DATA_ROOT", raising=False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)

    def use(fake: FakeHub) -> FakeHub:
        monkeypatch.setattr("huggingface_hub.HfApi", lambda: fake)
        monkeypatch.setattr(datasets, "load_dataset", fake.load_dataset)
        return fake

    return use


def test_the_newest_commit_is_resolved_and_recorded(use_hub: Callable[[FakeHub], FakeHub]) -> None:
    fake = use_hub(FakeHub(sha=COMMIT))
    assert load_rows("mmmu").revisions == (COMMIT,)
    assert fake.loads == [("zli12321/MMMU", None, "test", COMMIT, False)]


def test_an_unreachable_hub_names_the_way_out(use_hub: Callable[[FakeHub], FakeHub]) -> None:
    fake = use_hub(FakeHub(sha=None))
    with pytest.raises(DataError) as caught:
        load_rows("mathverse")
    for word in ("zli12321/mathverse", "VIGOS_DATA_ROOT", "make demo"):
        assert word in str(caught.value)
    assert len(fake.loads) == 1  # the host's five retries see nothing of it


def test_an_unreachable_hub_leaves_the_cache(use_hub: Callable[[FakeHub], FakeHub]) -> None:
    fake = use_hub(FakeHub(sha=None, cached=COMMIT))
    assert load_rows("mmmu").revisions == (COMMIT,)
    assert fake.loads[0][-1] is True
    assert datasets.config.HF_HUB_OFFLINE is False


def test_a_pinned_revision_is_never_replaced_by_what_the_cache_holds(
    use_hub: Callable[[FakeHub], FakeHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_hub(FakeHub(sha=None, cached=COMMIT))
    part = benchmark("mmmu").parts[0]
    pinned = type(part)(part.dataset, part.configs, part.split, "f" * 40)
    with pytest.raises(DataError, match=r"pinned to revision ffff.*the cache holds revision 0123"):
        hub_module.from_hub(pinned)


def test_a_folder_of_the_same_name_is_not_taken_for_the_hub(
    use_hub: Callable[[FakeHub], FakeHub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_hub(FakeHub(sha=COMMIT))
    (tmp_path / "zli12321/MMMU").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"current directory holds a folder zli12321/MMMU"):
        load_rows("mmmu")


def test_the_real_client_offline_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIGOS_DATA_ROOT", raising=False)
    with pytest.raises(DataError, match=r"zli12321/MMSI.*VIGOS_DATA_ROOT=/dir.*make demo"):
        check_data(["mmsi"])


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'mmu' does not exist; known: .*mmmu"):
        labels_of(["mmu"])
    with pytest.raises(ConfigError, match="'vigos8' does not exist"):
        benchmark("vigos8")


def test_groups_stand_for_their_tasks() -> None:
    eight = labels_of(["vigos8"])
    assert len(eight) == 8
    assert labels_of(["vigos"]) == (*eight, "vilp_f", "vilp_p")
    assert labels_of(["vigos_vigos"]) == labels_of(["vigos"])
    assert labels_of(["vigos_official"]) == tuple(f"{n}_official" for n in labels_of(["vigos"]))


def test_data_parts_are_those_of_the_paper_and_the_authors() -> None:
    official = benchmark("mmmu_pro_official").parts
    assert [part.configs for part in official] == [("standard (10 options)",), ("vision",)]
    assert len(benchmark("mmmu_official").parts[0].configs) == 30
    assert benchmark("vilp_p").parts[0].split == "train"
    assert all(part.revision is None for part in official)
