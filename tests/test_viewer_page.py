"""The page as a file: what may run in it, what is inside, and runs that are not whole."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from viewer_runs import BAD, CUT, EVIL, GOOD, keep_image, png, question, write_questions

from vigos_eval.cli import main
from vigos_eval.errors import RunFolderError
from vigos_eval.records import ImageRef, completion_line
from vigos_eval.viewer.page import write_page
from vigos_eval.viewer.pictures import NOT_KEPT, image_path, pictures
from vigos_eval.viewer.segments import segments

JSON_ELEMENT = re.compile(r'<script type="application/json" id="([^"]+)">(.*?)</script>', re.DOTALL)


def records_in(page: Path) -> dict[str, Any]:
    """The page's embedded records by element id; samples unpacked."""
    found: dict[str, Any] = {}
    for name, text in JSON_ELEMENT.findall(page.read_text(encoding="utf-8")):
        value = json.loads(text)
        if name.startswith("samples-"):
            value = json.loads(gzip.decompress(base64.b64decode(value)))
        found[name] = value
    return found


def digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@pytest.mark.parametrize(
    ("text", "answer", "kinds"),
    [
        pytest.param(GOOD, "2", ["description", "other", "think", "other", "answer"], id="whole"),
        pytest.param(CUT, None, ["description", "other", "think"], id="cut-in-thought"),
        pytest.param(
            r"<description>\boxed{7}</description> none",
            None,
            ["description", "other"],
            id="a-box-in-the-description-is-a-quotation",
        ),
        pytest.param(
            r"<think>so \boxed{\frac{1}{2}} it is</think>",
            r"\frac{1}{2}",
            ["think", "answer", "think"],
            id="box-inside-the-thought",
        ),
        pytest.param(r"\boxed{1}, no, \boxed{2}", "2", ["other", "answer"], id="last-box"),
        pytest.param(
            "B is it, Because. Answer: B.", "B", ["other", "answer", "other"], id="no-box"
        ),
        pytest.param("<description>a</description>B", "B", ["description", "answer"], id="next-to"),
        pytest.param("", None, [], id="empty"),
    ],
)
def test_segments_are_found_and_lose_no_letter(
    text: str, answer: str | None, kinds: list[str]
) -> None:
    found = segments(text, answer)
    assert [segment.kind for segment in found] == kinds
    assert "".join(segment.text for segment in found) == text


def test_an_answer_without_a_box_is_its_last_whole_word() -> None:
    found = segments("B is it, Because. Answer: B, not Bad.", "B")
    assert found[0].text == "B is it, Because. Answer: "


def test_the_page_lets_only_its_own_script_and_style_run(tmp_path: Path) -> None:
    run = write_questions(tmp_path / "run", [question("a", "cw")])
    text = write_page(run, None, run / "view.html").path.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    styles = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert len(scripts) == len(styles) == 1
    assert policy.group(1) == (
        f"default-src 'none'; script-src 'sha256-{digest(scripts[0])}'; "
        f"style-src 'sha256-{digest(styles[0])}'; "
        "img-src data: 'self' file:; base-uri 'none'; form-action 'none'"
    )


def test_the_script_never_parses_text_as_html() -> None:
    assets = Path(write_page.__code__.co_filename).parent / "assets"
    scripts = list(assets.rglob("*.js"))
    assert len(scripts) == 7
    for script in scripts:
        text = script.read_text(encoding="utf-8")
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|"
            r"DOMParser|createContextualFragment|srcdoc|fetch\(|XMLHttpRequest|import\(",
            text,
        )
        assert not found, f"{script.name}: {found}"


def test_hostile_text_stays_inside_its_json_element(tmp_path: Path) -> None:
    record, verdict = question("a", "e")
    sample = replace(
        record.sample, id=EVIL, question=EVIL, gold=EVIL, options=(EVIL,), subgroups={EVIL: EVIL}
    )
    evil = (
        replace(record, key=f"mmmu:{EVIL}", sample=sample),
        replace(verdict, key=f"mmmu:{EVIL}"),
    )
    run = write_questions(tmp_path / "run", [evil], name=EVIL, model={"pretrained": EVIL})
    page = write_page(run, None, run / "view.html").path
    text = page.read_text(encoding="utf-8")
    assert "window.pwned" in text
    assert "<script>window.pwned" not in text
    assert "<img src=x" not in text
    shown = records_in(page)
    assert shown["index"]["samples"][0]["id"] == EVIL
    assert shown["samples-0"][0]["question"] == EVIL
    assert shown["index"]["run"]["name"] == EVIL


def test_a_lone_surrogate_does_not_stop_the_page(tmp_path: Path) -> None:
    record, verdict = question("a", "c")
    broken = replace(
        record, responses=(replace(record.responses[0], text="half \ud83d \\boxed{2}"),)
    )
    run = write_questions(tmp_path / "run", [(record, verdict)])
    # As a journal would hold it: JSON escapes what UTF-8 cannot carry.
    escaped = json.dumps(json.loads(completion_line(broken)), ensure_ascii=True)
    (run / "completions.jsonl").write_text(escaped + "\n", encoding="ascii")
    shown = records_in(write_page(run, None, run / "view.html").path)
    parts = shown["samples-0"][0]["attempts"][0]["parts"]
    assert "".join(text for _, text in parts) == "half \ud83d \\boxed{2}"


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write_questions(run, [question("a", "cw", [keep_image(run, png())])])
    first = write_page(run, None, tmp_path / "one.html").path.read_bytes()
    assert write_page(run, None, tmp_path / "two.html").path.read_bytes() == first
    # gzip writes the time into bytes 4 to 8, which two calls in one second would not show.
    packed = dict(JSON_ELEMENT.findall(first.decode()))["samples-0"]
    assert base64.b64decode(json.loads(packed))[4:8] == bytes(4)


def test_every_attempt_carries_answer_verdict_and_reason(tmp_path: Path) -> None:
    run = write_questions(tmp_path / "run", [question("a", "cwux")])
    shown = records_in(write_page(run, None, run / "view.html").path)
    attempts = shown["samples-0"][0]["attempts"]
    assert [a["outcome"] for a in attempts] == ["c", "w", "u", "w"]
    assert [a["answer"] for a in attempts] == ["2", "3", "3", None]
    assert attempts[1]["reason"] == "'3' against gold '2'"
    assert [a["truncated"] for a in attempts] == [False, False, False, True]
    assert "".join(text for _, text in attempts[1]["parts"]) == BAD


def test_images_are_inline_until_they_weigh_too_much(tmp_path: Path) -> None:
    run = tmp_path / "run"
    refs = [keep_image(run, png(color)) for color in ("red", "blue")]
    write_questions(run, [question("a", "c", refs)])
    whole = write_page(run, None, run / "view.html")
    shown = records_in(whole.path)
    assert [url[:14] for url in shown["images-0"]] == ["data:image/png"] * 2
    assert [url[:15] for url in shown["thumbnails-0"]] == ["data:image/webp"] * 2
    assert not whole.side_folder
    sizes = [len((run / "images" / f"{ref.sha256}.png").read_bytes()) for ref in refs]
    beside = write_page(run, None, run / "view.html", inline_limit=sum(sizes))
    shown = records_in(beside.path)
    assert beside.side_folder
    assert shown["images-0"] == [f"images/{ref.sha256}.png" for ref in refs]
    assert shown["thumbnails-0"][0].startswith("data:")
    assert not (run / "view_images").exists()


def test_a_page_outside_the_run_takes_its_images_along(tmp_path: Path) -> None:
    run = tmp_path / "run"
    ref = keep_image(run, png())
    write_questions(run, [question("a", "c", [ref])])
    page = tmp_path / "shared.html"
    shown = records_in(write_page(run, None, page, inline_limit=0).path)
    assert shown["images-0"] == [f"shared_images/{ref.sha256}.png"]
    assert (tmp_path / shown["images-0"][0]).read_bytes() == png()
    assert Image.open(tmp_path / shown["thumbnails-0"][0]).size == (224, 140)


@pytest.mark.parametrize(
    "ref",
    [
        ImageRef("../../secret", ".png"),
        ImageRef("0" * 64, "/../../../secret.png"),
        ImageRef("0" * 63 + "/", ".png"),
        ImageRef("", ""),
    ],
)
def test_an_image_name_that_is_no_hash_is_never_opened(tmp_path: Path, ref: ImageRef) -> None:
    (tmp_path / "images" / ("0" * 64)).mkdir(parents=True)
    (tmp_path.parent / "secret.png").write_bytes(png())
    assert image_path(ref, [tmp_path / "images"]) is None


def test_unreadable_and_missing_images_are_said_not_raised(tmp_path: Path) -> None:
    torn = keep_image(tmp_path, png(size=(1, 1))[:40])
    text = keep_image(tmp_path, b"<svg onload='alert(1)'/>", ".svg")
    rare = keep_image(tmp_path, b"P6 1 1 255 abc", ".ppm")
    refs = [ImageRef("0" * 64, ".png"), torn, text, rare]
    shown = pictures(refs, [tmp_path], tmp_path / "p.html")
    assert shown[0].fault == NOT_KEPT
    assert all(picture.fault.startswith("image cannot be read") for picture in shown[1:])
    assert [picture.full for picture in shown] == [""] * 4


def test_formats_that_browsers_do_not_show_become_png(tmp_path: Path) -> None:
    path = tmp_path / "stored.tiff"
    Image.new("RGB", (8, 4), "red").save(path)
    ref = keep_image(tmp_path, path.read_bytes(), ".tiff")
    (inline,) = pictures([ref], [tmp_path], tmp_path / "p.html")
    assert inline.full.startswith("data:image/png;base64,")
    (beside,) = pictures([ref], [tmp_path], tmp_path / "p.html", inline_limit=0)
    assert Image.open(tmp_path / beside.full).format == "PNG"


def test_a_run_without_verdicts_is_shown_as_not_graded(tmp_path: Path) -> None:
    run = write_questions(tmp_path / "run", [question("a", "cw")])
    (run / "verdicts.jsonl").unlink()
    written = write_page(run, None, run / "view.html")
    assert any("vigos-eval grade" in notice for notice in written.notices)
    assert records_in(written.path)["index"]["samples"][0]["outcomes"] == "pp"


def test_a_half_written_run_says_how_far_it_is(tmp_path: Path) -> None:
    run = write_questions(
        tmp_path / "run",
        [question("a", "cw"), question("b", "cc")],
        tasks={"mmmu": {"questions": 9}},
    )
    with (run / "completions.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"key": "mmmu:c", "torn')
    lines = (run / "verdicts.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (run / "verdicts.jsonl").write_text(lines[0], encoding="utf-8")
    written = write_page(run, None, run / "view.html")
    assert written.questions == 2
    assert "Half-written run: 2 of 9 mmmu questions so far." in written.notices
    assert any(
        notice.startswith("Without a verdict: 1 question, e.g. mmmu:b")
        for notice in written.notices
    )


def test_settings_and_verdicts_that_cannot_be_read_are_notices(tmp_path: Path) -> None:
    run = write_questions(tmp_path / "run", [question("a", "cw")])
    (run / "run.json").write_text('{"name": "r', encoding="utf-8")
    (run / "verdicts.jsonl").write_text("not json\n", encoding="utf-8")
    written = write_page(run, None, run / "view.html")
    assert [notice.split(":")[0] for notice in written.notices] == [
        "Settings unknown",
        "Not graded",
    ]


def test_verdicts_of_other_attempts_are_called_stale(tmp_path: Path) -> None:
    record, _ = question("a", "cwc")
    _, verdict = question("a", "c")
    run = write_questions(tmp_path / "run", [(record, verdict)])
    written = write_page(run, None, run / "view.html")
    assert any(
        "another number of verdicts than of responses: 1 question" in notice
        for notice in written.notices
    )
    assert records_in(written.path)["index"]["samples"][0]["outcomes"] == "cpp"


def test_a_control_or_a_part_can_not_be_taken_for_a_score(tmp_path: Path) -> None:
    run = write_questions(tmp_path / "run", [question("a", "c")], control="blind", partial=True)
    notices = write_page(run, None, run / "view.html").notices
    assert any("blind" in notice and "no score" in notice for notice in notices)
    assert any(notice.startswith("Partial run") for notice in notices)


def test_a_base_of_other_questions_is_named(tmp_path: Path) -> None:
    run = write_questions(tmp_path / "run", [question("a", "cc"), question("b", "cw")])
    base = write_questions(
        tmp_path / "base", [question("b", "wc"), question("z", "cc")], protocol={"name": "release"}
    )
    written = write_page(run, base, run / "view.html")
    assert "The runs differ in protocol: paper here, release in the base." in written.notices
    assert "Only in this run: 1 question, e.g. mmmu:a." in written.notices
    assert "Only in the base: 1 question, e.g. mmmu:z." in written.notices
    rows = records_in(written.path)["index"]["samples"]
    assert [row.get("base") for row in rows] == [None, "wc"]


def test_nothing_to_show_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "completions.jsonl").write_text("", encoding="utf-8")
    assert main(["view", str(tmp_path)]) == 2
    assert "nothing was generated yet" in capsys.readouterr().err
    assert main(["view", str(tmp_path / "nowhere")]) == 2
    assert "is not a folder" in capsys.readouterr().err
    with pytest.raises(RunFolderError, match="nothing was generated"):
        write_page(tmp_path, None, tmp_path / "view.html")


def test_the_command_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_questions(tmp_path / "run", [question("a", "c", [ImageRef("0" * 64, ".png")])])
    assert main(["view", str(run)]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{run / 'view.html'}: 1 question, ")
    assert "1 of 1 images are not in the page" in said.err
    assert main(["view", str(run), "--out", str(tmp_path / "no" / "v.html")]) == 2
    assert "existing folder" in capsys.readouterr().err
