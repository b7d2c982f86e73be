"""The sample data's questions and answers, in the official schemas, with the pictures they ask about."""

from __future__ import annotations

import ast
import re
from typing import Any

import drawings as draw
from PIL import Image as Pil

Row = dict[str, Any]
MARK = re.compile(r"<image \d+>")
IN_THE_IMAGE = "Please answer the question shown in the image."
LETTERS = "ABCDEFGHIJ"

FRUIT = {"apples": 4, "pears": 7, "plums": 2, "figs": 5}
RAIN = {"Mon": 12, "Tue": 3, "Wed": 9, "Thu": 6}
SALES = {"2021": 15, "2022": 25, "2023": 40}


def options_of(row: Row) -> tuple[str, ...]:
    """A row's options, whichever column holds them."""
    if row.get("options"):
        return tuple(ast.literal_eval(row["options"]))
    return tuple(row.get("choices") or ())


def images_of(row: Row) -> list[Pil.Image]:
    """A row's pictures in order."""
    if "images" in row:
        return list(row["images"])
    for name in ("image", "decoded_image"):
        if isinstance(row.get(name), Pil.Image):
            return [row[name]]
    return [row[f"image_{n}"] for n in range(1, 8) if row.get(f"image_{n}") is not None]


def mm_vet() -> list[Row]:
    """Open questions; two golds use <OR> and <AND>."""
    circles = draw.scene([("circle", "red", 0.2 + 0.28 * n, 0.35, 0.09) for n in range(3)])
    pair = draw.scene([("star", "yellow", 0.3, 0.38, 0.14), ("square", "blue", 0.7, 0.38, 0.11)])
    return [
        _vet(0, circles, "How many circles are there?", "three<OR>3", ["rec", "math"]),
        _vet(1, pair, "Name the two shapes in the picture.", "star<AND>square", ["rec"]),
        _vet(2, draw.clock(3, 0), "What time does the clock show?", "3:00<OR>three o'clock", ["ocr"]),
        _vet(3, draw.bar_chart("Fruit sold", FRUIT), "Which fruit sold best?", "pears", ["ocr"]),
    ]  # fmt: skip


def mmmu() -> list[Row]:
    """Four multiple-choice rows, one with two images and marks in its options, and one open row."""
    left = draw.scene([("square", "green", 0.5, 0.38, 0.2)])
    right = draw.scene([("circle", "purple", 0.5, 0.38, 0.2)])
    return [
        _mmmu("Math_1", "Find the length of the hypotenuse in <image 1>.", ["5", "6", "7", "12"], "A",
              draw.right_triangle("4", "3", "?")),
        _mmmu("Marketing_2", "According to <image 1>, which year had the highest sales?",
              ["2021", "2022", "2023", "None of them"], "C", draw.bar_chart("Sales", SALES)),
        _mmmu("Design_3", "<image 1> and <image 2> are two logos. Which of them has no corners?",
              ["<image 1>", "<image 2>"], "B", left, right),
        _mmmu("Geography_4", "<image 1> shows the rain of four days in mm. On which day did it rain least?",
              ["Monday", "Tuesday", "Wednesday", "Thursday"], "B", draw.bar_chart("Rain (mm)", RAIN)),
        _mmmu("Math_5", "The legs of the right triangle in <image 1> are given. Find its area.", [],
              "['27', '27.0']", draw.right_triangle("9", "6")),
    ]  # fmt: skip


def mmmu_pro() -> list[Row]:
    """Ten options each."""
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    counts = [str(n) for n in range(1, 11)]
    stars = draw.scene([("star", "orange", 0.15 + 0.2 * n, 0.38, 0.08) for n in range(4)])
    return [
        _pro("Math_7", "Find the hypotenuse in <image 1>.", [str(n) for n in range(6, 16)], "E",
             draw.right_triangle("8", "6", "?")),
        _pro("Geography_8", "On which day did it rain most in <image 1>?",
             [*days, "Two of them", "All of them", "None of them"], "A", draw.bar_chart("Rain (mm)", RAIN)),
        _pro("Design_9", "How many stars does <image 1> show?", counts, "D", stars),
        _pro("Marketing_10", "By how much did sales in <image 1> grow from 2022 to 2023?",
             [str(n) for n in range(5, 55, 5)], "C", draw.bar_chart("Sales", SALES)),
    ]  # fmt: skip


def mmmu_pro_vision() -> list[Row]:
    """The same questions as pictures of themselves."""
    made = []
    for row in mmmu_pro():
        lines = zip(LETTERS, options_of(row), strict=True)
        text = row["question"].replace("<image 1>", "the figure")
        sheet = draw.page("\n".join([text, *(f"{letter}. {option}" for letter, option in lines)]))
        picture = draw.under(row["image_1"], sheet)
        kept = {key: row[key] for key in ("id", "options", "answer", "subject")}
        made.append({**kept, "image": picture})
    return made


def mathverse() -> list[Row]:
    """Three problems in five versions each: text moves from the question into the figure."""
    angle = "Find the angle AOB."
    area = "Find the area of the right triangle."
    leg = "Find the length of the missing leg."
    circle = ("The circle has its centre at O. The marked angle is 80 degrees.", angle)
    plane = ("The legs are 5 cm and 8 cm long.", area)
    choices = "Choices:\nA:9\nB:12\nC:13\nD:14"
    known = ("The hypotenuse is 15, one leg is 9.", leg)
    return [
        *_versions(1, circle, "80^\\circ", "free-form", "", lambda text: draw.circle_with_angle("80°", "O", text)),
        *_versions(2, plane, "20 cm^2", "free-form", "", lambda text: draw.right_triangle("8 cm", "5 cm", "", text)),
        *_versions(3, known, "B", "multi-choice", choices, lambda text: draw.right_triangle("?", "9", "15", text)),
    ]  # fmt: skip


def mathvista() -> list[Row]:
    """One row of each answer type."""
    fraction = draw.scene([("square", c, 0.2 + 0.2 * n, 0.38, 0.09) for n, c in
                           enumerate(("blue", "white", "white", "white"))])  # fmt: skip
    return [
        _vista(1, "What fraction of the squares is blue?", fraction, "1/4", "text", ["1/2", "1/3", "1/4", "3/4"]),
        _vista(2, "How many days had more than 5 mm of rain?", draw.bar_chart("Rain (mm)", RAIN), "3", "integer"),
        _vista(3, "What is the mean number of fruit sold?", draw.bar_chart("Fruit sold", FRUIT), "4.5", "float", precision=1.0),
        _vista(4, "List the sales of the three years in order.", draw.bar_chart("Sales", SALES), "[15, 25, 40]", "list"),
        _vista(5, "Is the number of pears larger than the number of figs?", draw.bar_chart("Fruit sold", FRUIT), "Yes", "text", ["Yes", "No"]),
    ]  # fmt: skip


def mmsi() -> list[Row]:
    """Two or three images per question; options inside the question."""

    def at(x: float, color: str = "red") -> Pil.Image:
        return draw.scene([("circle", color, x, 0.38, 0.1)])

    def tower(blocks: int) -> Pil.Image:
        return draw.scene([("square", "brown", 0.5, 0.66 - 0.14 * n, 0.06) for n in range(blocks)])

    return [
        _mmsi(0, "Motion (Obj.)", "The images are in temporal order. In which direction does the ball move?",
              ["Left", "Right", "Up", "Down"], "B", [at(0.2), at(0.5), at(0.8)]),
        _mmsi(1, "Motion (Obj.)", "The images are in temporal order. In which direction does the ball move?",
              ["Left", "Right", "Up", "Down"], "A", [at(0.8, "blue"), at(0.3, "blue")]),
        _mmsi(2, "Attribute (Meas.)", "Which image shows the tallest tower?",
              ["The first", "The second", "The third", "All are equal"], "C", [tower(1), tower(2), tower(4)]),
        _mmsi(3, "MSR", "Which colour does the ball have in the second image?",
              ["Red", "Blue", "Green", "Yellow"], "D", [at(0.5, "green"), at(0.5, "yellow")]),
    ]  # fmt: skip


def realworldqa() -> list[Row]:
    """A letter, a word and two numbers."""
    letter = "Please answer directly with only the letter of the correct option and nothing else."
    word = "Please answer directly with a single word or number."
    return [
        {"image": draw.street("red", 2), "answer": "A",
         "question": f"What should a driver do here?\n\nA. Stop\nB. Go\nC. Turn around\n{letter}"},
        {"image": draw.street("green", 3), "answer": "3", "question": f"How many cars are there? {word}"},
        {"image": draw.street("yellow", 1), "answer": "Yellow", "question": f"Which light is on? {word}"},
        {"image": draw.street("green", 0), "answer": "0", "question": f"How many cars are there? {word}"},
    ]  # fmt: skip


def cv_bench() -> list[Row]:
    """Two rows of each source."""

    def balls(count: int, color: str) -> Pil.Image:
        return draw.scene([("circle", color, 0.12 + 0.18 * n, 0.4, 0.07) for n in range(count)])

    above = draw.scene([("star", "yellow", 0.5, 0.2, 0.1), ("square", "blue", 0.5, 0.55, 0.1)])
    near = draw.scene([("circle", "red", 0.3, 0.45, 0.18), ("circle", "blue", 0.75, 0.3, 0.06)])
    far = draw.scene([("square", "green", 0.25, 0.3, 0.05), ("square", "orange", 0.65, 0.45, 0.17)])
    which = "Which object is closer to the camera taking this photo?"
    return [
        _cv(0, "2D", "Count", "ADE20K", balls(3, "green"), "How many balls are in the image?", ["2", "3", "4", "5"], "B"),
        _cv(1, "2D", "Relation", "ADE20K", above, "Where is the star relative to the square?", ["above", "below"], "A"),
        _cv(2, "2D", "Count", "COCO", balls(4, "pink"), "How many balls are in the image?", ["4", "3", "2", "1"], "A"),
        _cv(3, "2D", "Count", "COCO", balls(5, "gray"), "How many balls are in the image?", ["1", "3", "5", "7"], "C"),
        _cv(4, "3D", "Depth", "Omni3D", near, which, ["the red ball", "the blue ball"], "A"),
        _cv(5, "3D", "Depth", "Omni3D", far, which, ["the green box", "the orange box"], "B"),
    ]  # fmt: skip


def vilp() -> list[Row]:
    """Image 1 agrees with the fact, images 2 and 3 contradict it."""

    def fruit(color: str) -> Pil.Image:
        return draw.scene([("circle", color, 0.5, 0.38, 0.22)])

    def shape(name: str) -> Pil.Image:
        return draw.scene([(name, "gray", 0.5, 0.38, 0.22)])

    def light(name: str) -> Pil.Image:
        return draw.street(name, 2)

    def dots(count: int) -> Pil.Image:
        return draw.scene([("circle", "black", 0.1 + 0.13 * n, 0.38, 0.05) for n in range(count)])

    return [
        _vilp("A ripe tomato is usually red. Which colour does the round fruit in the image have?",
              [("red", fruit("red")), ("blue", fruit("blue")), ("purple", fruit("purple"))]),
        _vilp("A wheel is known for its round shape. What shape does the object in the image have?",
              [("circle", shape("circle")), ("square", shape("square")), ("triangle", shape("triangle"))]),
        _vilp("Cars drive on when the traffic light shows green. Which light is on in the image?",
              [("green", light("green")), ("red", light("red")), ("yellow", light("yellow"))]),
        _vilp("A hand usually has five fingers, each about 7.5 cm long. How many dots does the image show?",
              [("five", dots(5)), ("three", dots(3)), ("six", dots(6))]),
    ]  # fmt: skip


def _vet(number: int, image: Pil.Image, question: str, answer: str, needs: list[str]) -> Row:
    return {
        "id": f"v1_{number}", "image": image, "question": question, "answer": answer, "capability": needs,
    }  # fmt: skip


def _mmmu(name: str, question: str, options: list[str], answer: str, *images: Pil.Image) -> Row:
    return {
        "id": f"validation_{name}", "question": question, "options": str(options), "explanation": "",
        "img_type": "['Diagrams']", "answer": answer, "topic_difficulty": "Easy",
        "question_type": "multiple-choice" if options else "open", "subfield": "",
        **{f"image_{n}": image for n, image in enumerate(images, 1)},
    }  # fmt: skip


def _pro(name: str, question: str, options: list[str], answer: str, image: Pil.Image) -> Row:
    row = _mmmu(name, question, options, answer, image)
    return {**row, "id": f"test_{name}", "subject": name.rsplit("_", 1)[0]}


def _versions(
    problem: int, texts: tuple[str, str], answer: str, kind: str, choices: str, figure: Any
) -> list[Row]:
    given, asked = texts
    whole = "\n".join(part for part in (f"{given} {asked}", choices) if part)
    short = "\n".join(part for part in (asked, choices) if part)
    # Only the last version has its whole text in the figure, and no question beside it.
    versions = {
        "Text Dominant": (whole, ""),
        "Text Lite": (short, given),
        "Vision Intensive": (short, ""),
        "Vision Dominant": (short, given),
        "Vision Only": ("", whole),
    }
    return [
        {
            "sample_index": str(5 * (problem - 1) + place), "problem_index": str(problem),
            "problem_version": version, "question": question, "image": figure(drawn.replace("\n", " ")),
            "answer": answer, "question_type": kind,
            "metadata": {"split": "testmini", "subject": "Plane Geometry", "subfield": "Angle"},
            "query_wo": question, "query_cot": question, "question_for_eval": whole,
        }
        for place, (version, (question, drawn)) in enumerate(versions.items(), 1)
    ]  # fmt: skip


def _vista(
    pid: int, question: str, image: Pil.Image, answer: str, answer_type: str,
    choices: list[str] | None = None, precision: float | None = None,
) -> Row:  # fmt: skip
    return {
        "pid": str(pid), "question": question, "image": f"images/{pid}.jpg", "decoded_image": image,
        "choices": choices, "unit": None, "precision": precision, "answer": answer,
        "question_type": "multi_choice" if choices else "free_form", "answer_type": answer_type,
        "metadata": {"category": "general-vqa", "context": "bar chart", "grade": "elementary school",
                     "source": "sample", "task": "figure question answering"},
        "query": f"Question: {question}",
    }  # fmt: skip


def _mmsi(
    number: int, kind: str, question: str, options: list[str], answer: str, images: list[Pil.Image]
) -> Row:
    listed = ", ".join(f"{letter}: {text}" for letter, text in zip(LETTERS, options, strict=False))
    return {
        "id": number, "images": images, "question_type": kind, "answer": answer, "thought": "",
        "question": f"{question}\nOptions: {listed}",
    }  # fmt: skip


def _cv(
    idx: int, kind: str, task: str, source: str, image: Pil.Image, question: str,
    choices: list[str], letter: str,
) -> Row:  # fmt: skip
    listed = "\n".join(f"({name}) {text}" for name, text in zip(LETTERS, choices, strict=False))
    return {
        "idx": idx, "type": kind, "task": task, "image": image, "question": question, "choices": choices,
        "answer": f"({letter})", "prompt": f"{question} Select from the following choices.\n{listed}",
        "filename": f"img/{idx}.png", "source": source, "source_dataset": f"{source} Sample",
        "source_filename": f"{idx}.png", "target_class": "",
    }  # fmt: skip


def _vilp(question: str, pairs: list[tuple[str, Pil.Image]]) -> Row:
    row: Row = {"question": question}
    for number, (answer, image) in enumerate(pairs, 1):
        row |= {f"answer{number}": answer, f"image{number}": image}
    return row
