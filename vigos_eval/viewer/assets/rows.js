// The list of questions. Only rows near the visible part exist in the document.

const ROW_HEIGHT = 92;
const ROWS_BEYOND = 8;
const scroller = byId("scroller");
const spacer = byId("spacer");
const rows = new Map(); // position in `shown` -> element
const MARK = { c: "✓", w: "✗", u: "?", p: "·" };
const MEANING = { c: "correct", w: "wrong", u: "ungraded", p: "no verdict yet" };

/** One small square per attempt, readable without colour. */
function squares(letters, className = "squares") {
  const row = make("span", className);
  for (const letter of letters) {
    const square = make("i", `square is-${letter}`, MARK[letter]);
    square.title = MEANING[letter];
    row.append(square);
  }
  return row;
}

function thumbnail(sample) {
  const frame = make("span", "row-image");
  const image = sample.images.find((one) => !index.images[one].fault);
  if (image === undefined) {
    frame.append(icon("noimage"));
    frame.title = sample.images.length ? index.images[sample.images[0]].fault : "no image in this question";
    return frame;
  }
  const picture = make("img");
  picture.alt = "";
  picture.decoding = "async";
  picture.src = thumbnailOf(image);
  frame.append(picture);
  if (sample.images.length > 1) frame.append(make("b", "", String(sample.images.length)));
  return frame;
}

function changeTag(sample) {
  if (sample.change === null) return null;
  const points = Math.round(sample.change * 100);
  if (points === 0) return make("span", "change", "=");
  const tag = make("span", points > 0 ? "change up" : "change down", `${points > 0 ? "+" : "−"}${Math.abs(points)}`);
  tag.title = `share of right attempts against the base: ${points > 0 ? "+" : "−"}${Math.abs(points)} points`;
  return tag;
}

function makeRow(position) {
  const place = shown[position];
  const sample = SAMPLES[place];
  const row = make("a", "row");
  row.href = `#${encodeURIComponent(sample.key)}`;
  row.setAttribute("role", "option");
  row.tabIndex = -1;
  row.dataset.key = sample.key;
  row.style.transform = `translateY(${position * ROW_HEIGHT}px)`;
  const head = make("span", "row-head");
  head.append(make("span", "row-id", sample.id));
  const change = changeTag(sample);
  if (change) head.append(change);
  head.append(sample.skipped ? make("span", "flag", "skipped") : squares(sample.outcomes));
  const foot = make("span", "row-foot");
  foot.append(make("span", "row-task", sample.task));
  for (const [name, label] of [["truncated", "truncated"], ["unparsed", "unparsed"]]) {
    if (sample[name]) foot.append(make("span", "flag", sample[name] > 1 ? `${label} ${sample[name]}×` : label));
  }
  const text = make("span", "row-text");
  text.append(head, make("span", "row-question", sample.question || "no question text"), foot);
  row.append(thumbnail(sample), text);
  mark(row, place);
  return row;
}

function mark(row, place) {
  row.classList.toggle("current", place === current);
  row.setAttribute("aria-selected", String(place === current));
}

/** Bring the rows in the document in line with what is visible. */
function drawRows() {
  const first = Math.max(0, Math.floor(scroller.scrollTop / ROW_HEIGHT) - ROWS_BEYOND);
  const last = Math.min(
    shown.length,
    Math.ceil((scroller.scrollTop + scroller.clientHeight) / ROW_HEIGHT) + ROWS_BEYOND,
  );
  for (const [position, row] of rows) {
    if (position < first || position >= last) {
      row.remove();
      rows.delete(position);
    }
  }
  for (let position = first; position < last; position += 1) {
    if (rows.has(position)) continue;
    const row = makeRow(position);
    rows.set(position, row);
    spacer.append(row);
  }
}

function redrawRows() {
  for (const row of rows.values()) row.remove();
  rows.clear();
  spacer.style.height = `${shown.length * ROW_HEIGHT}px`;
  drawRows();
}

function markRows() {
  for (const [position, row] of rows) mark(row, shown[position]);
}

/** Scroll so that the question's row is visible, moving no more than needed. */
function revealRow(place) {
  const position = shown.indexOf(place);
  if (position < 0) return;
  const top = position * ROW_HEIGHT;
  if (top < scroller.scrollTop) scroller.scrollTop = top;
  else if (top + ROW_HEIGHT > scroller.scrollTop + scroller.clientHeight) {
    scroller.scrollTop = top + ROW_HEIGHT - scroller.clientHeight;
  }
  drawRows();
}
