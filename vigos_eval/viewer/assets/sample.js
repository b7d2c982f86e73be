// The right-hand pane: one question with its images and all its attempts, beside the base's.

const pane = byId("sample");
const SEGMENT = { d: ["description", "Description"], t: ["think", "Think"], a: ["answer", "Answer"], o: ["other", ""] };
const OPEN = /^<(description|think)>\s?/;
const CLOSE = /\s?<\/(description|think)>$/;
const unfolded = new Set([0]); // attempts shown in full; kept from question to question
const fillers = new WeakMap(); // attempt card -> lays out its text

/** Text with every occurrence of the search term in a <mark>. */
function marked(text) {
  const found = document.createDocumentFragment();
  const query = chosen.query.toLowerCase();
  const lower = text.toLowerCase();
  let start = 0;
  // A few letters change length in lower case; then places do not fit and nothing is marked.
  if (query && lower.length === text.length) {
    for (let at = lower.indexOf(query); at >= 0; at = lower.indexOf(query, start)) {
      found.append(text.slice(start, at), make("mark", "", text.slice(at, at + query.length)));
      start = at + query.length;
    }
  }
  found.append(text.slice(start));
  return found;
}

const textBlock = (tag, className, text) => make(tag, className, null, marked(text));

function imageFigure(image, images) {
  const { width, height, fault } = index.images[image];
  if (fault) {
    const gap = make("div", "no-image", null, icon("noimage"), make("span", "", fault));
    return gap;
  }
  const button = make("button", "figure");
  button.type = "button";
  button.title = "Show full size (i)";
  const picture = make("img");
  picture.alt = `image ${images.indexOf(image) + 1} of ${images.length}`;
  picture.decoding = "async";
  picture.width = width;
  picture.height = height;
  picture.src = fullImageOf(image) || thumbnailOf(image);
  picture.addEventListener("error", () => {
    if (picture.src !== thumbnailOf(image)) picture.src = thumbnailOf(image);
    button.classList.add("small-only");
  }, { once: true });
  button.append(picture);
  if (images.length > 1) button.append(make("b", "", String(images.indexOf(image) + 1)));
  button.addEventListener("click", () => openLightbox(images, image));
  return button;
}

function segmentBlock([letter, text]) {
  const [name, title] = SEGMENT[letter];
  if (letter === "o") return text.trim() ? textBlock("p", "segment other", text.trim()) : null;
  const box = make("div", `segment ${name}`);
  box.append(make("span", "segment-name", title));
  const bare = letter === "a" ? text : text.replace(OPEN, "").replace(CLOSE, "");
  box.append(textBlock("p", "", bare.trim()));
  if (letter !== "a" && OPEN.test(text) && !CLOSE.test(text)) box.append(make("span", "flag", "never closed"));
  return box;
}

function attemptCard(attempt, number, open) {
  const card = make("details", `attempt is-${attempt.outcome}`);
  card.open = open;
  const summary = make("summary");
  const square = make("i", `square is-${attempt.outcome}`, MARK[attempt.outcome]);
  square.title = MEANING[attempt.outcome];
  summary.append(square, make("span", "attempt-number", `#${number + 1}`));
  if (attempt.answer === null || attempt.answer === undefined) summary.append(make("span", "no-answer", "no answer"));
  else summary.append(textBlock("code", "answer-text", attempt.answer));
  summary.append(textBlock("span", "reason", attempt.reason ?? "no verdict yet"));
  const flags = make("span", "flags");
  if (attempt.truncated) flags.append(make("span", "flag", "truncated"));
  if (attempt.unparsed) flags.append(make("span", "flag", "unparsed"));
  if (attempt.malformed && !attempt.unparsed) flags.append(make("span", "flag quiet", "off format"));
  if (attempt.by === "judge") flags.append(make("span", "flag judge", "judge"));
  if (attempt.official && attempt.official !== attempt.outcome) {
    flags.append(make("span", "flag", `official rule: ${MEANING[attempt.official]}`));
  }
  flags.append(make("span", "tokens", `${grouped(attempt.tokens)} tokens`));
  summary.append(flags);
  const body = make("div", "attempt-body");
  // Text is laid out when a card is opened, not before: most stay closed.
  const fill = () => {
    if (body.childElementCount) return;
    body.append(...attempt.parts.map(segmentBlock).filter((b) => b !== null));
  };
  fillers.set(card, fill);
  if (open) fill();
  // The browser opens a card itself when it finds text on the page.
  card.addEventListener("toggle", fill);
  card.append(summary, body);
  return card;
}

function attemptGrid(sample, one) {
  const columns = one.base ? [["base", one.base], ["run", one.attempts]] : [["run", one.attempts]];
  const grid = make("div", one.base ? "attempts paired" : "attempts");
  if (one.base) {
    for (const [name] of columns) {
      const head = make("h3", "column-head");
      head.append(make("span", "", name === "base" ? "Base" : "This run"), make("em", "", index[name].name));
      head.append(squares(name === "base" ? sample.base : sample.outcomes));
      grid.append(head);
    }
  }
  const count = Math.max(...columns.map(([, attempts]) => attempts.length));
  for (let i = 0; i < count; i += 1) {
    for (const [name, attempts] of columns) {
      if (!attempts[i]) {
        grid.append(make("p", "attempt absent", `no attempt #${i + 1}`));
        continue;
      }
      const card = attemptCard(attempts[i], i, unfolded.has(i));
      card.dataset.side = name;
      // Shown where the columns do not fit side by side.
      if (one.base) card.querySelector(".attempt-number").after(make("span", "side", name === "base" ? "base" : "this run"));
      card.dataset.number = String(i);
      card.querySelector("summary").addEventListener("click", (event) => {
        event.preventDefault();
        unfold(i, !card.open);
      });
      grid.append(card);
    }
  }
  return grid;
}

/** Open or close an attempt, on both sides of a comparison. */
function unfold(number, open) {
  if (open) unfolded.add(number);
  else unfolded.delete(number);
  for (const card of pane.querySelectorAll(`details[data-number="${number}"]`)) {
    fillers.get(card)();
    card.open = open;
  }
}

function unfoldAll() {
  const cards = [...pane.querySelectorAll("details.attempt")];
  const open = !cards.every((card) => card.open);
  for (const card of cards) unfold(Number(card.dataset.number), open);
}

function questionText(one) {
  const box = make("div", "question");
  box.append(one.question ? textBlock("p", "question-text", one.question) : make("p", "question-text none", "no question text"));
  if (one.options.length) {
    const isShort = one.options.length > 4 && one.options.every((option) => option.length <= 22);
    const list = make("ol", isShort ? "options short" : "options");
    one.options.forEach((option, i) => {
      const item = make("li", i === one.goldOption ? "option gold" : "option");
      item.append(make("b", "", String.fromCharCode(65 + i)), textBlock("span", "", option));
      if (i === one.goldOption) item.append(make("em", "", "gold"));
      list.append(item);
    });
    box.append(list);
  }
  const gold = make("p", "gold-line");
  gold.append(make("span", "", "Gold answer"), textBlock("code", "gold-text", one.gold), make("span", "kind", one.kind));
  for (const [name, value] of Object.entries(one.grading)) gold.append(make("span", "kind", `${name}: ${value}`));
  box.append(gold);
  if (one.skipped !== null) box.append(make("p", "warning", `Never asked: ${one.skipped}`));
  return box;
}

function sampleHead(sample, place) {
  const head = make("header", "sample-head");
  const back = toolButton("left", "Back to the list", () => showList());
  back.classList.add("back");
  const name = make("div", "sample-name");
  name.append(make("h2", "", sample.id));
  const tags = make("p", "tags", null, make("span", "tag task", sample.task));
  for (const [group, value] of Object.entries(sample.groups)) {
    const tag = make("span", "tag", value);
    tag.title = group;
    tags.append(tag);
  }
  name.append(tags);
  const score = make("div", "sample-score");
  if (sample.skipped) score.append(make("span", "score-text none", "skipped"));
  else score.append(make("span", `score-text ${sample.verdict}`, sample.graded ? `${sample.right} of ${sample.graded} right` : "not graded"));
  if (sample.baseGraded) score.append(make("span", "score-base", `base ${sample.baseRight} of ${sample.baseGraded}`));
  const tools = make("div", "tools");
  tools.append(
    toolButton("unfold", "Open or close all attempts (e)", unfoldAll),
    toolButton("link", "Copy the link to this question (c)", copyLink),
    toolButton("up", "Previous (k)", () => step(-1)),
    toolButton("down", "Next (j)", () => step(1)),
  );
  const at = shown.indexOf(place);
  tools.prepend(make("span", "at", at < 0 ? "" : `${grouped(at + 1)} / ${grouped(shown.length)}`));
  head.append(back, name, score, tools);
  return head;
}

function toolButton(name, title, act) {
  const button = make("button", "tool", null, icon(name));
  button.type = "button";
  button.title = title;
  button.setAttribute("aria-label", title);
  button.addEventListener("click", act);
  return button;
}

/** Show the current question; when another was chosen meanwhile, that one wins. */
async function drawSample() {
  const place = current;
  if (place === null) {
    pane.replaceChildren(make("p", "empty", shown.length ? "Choose a question." : "No question passes these filters."));
    return;
  }
  const one = await detailsOf(place);
  if (place !== current) return;
  const sample = SAMPLES[place];
  const ask = make("div", sample.images.length ? `ask images-${Math.min(sample.images.length, 3)}` : "ask");
  if (sample.images.length) {
    const gallery = make("div", "gallery");
    gallery.append(...sample.images.map((image) => imageFigure(image, sample.images)));
    ask.append(gallery);
  }
  ask.append(questionText(one));
  const legend = make("p", "legend");
  for (const [name, title] of Object.values(SEGMENT).filter(([, t]) => t)) legend.append(make("span", name, title));
  const title = make("div", "attempts-head", null, make("h3", "", one.attempts.length === 1 ? "1 attempt" : `${one.attempts.length} attempts`), legend);
  pane.replaceChildren(sampleHead(sample, place), make("div", "sample-body", null, ask, title, attemptGrid(sample, one)));
  pane.scrollTop = 0;
  pane.dataset.key = sample.key;
}
