// The head of the page and the filters above the list.

function drawHead() {
  const { run, base } = index;
  const title = byId("run-name");
  title.append(make("span", "", run.name));
  if (run.control) title.append(make("span", "badge warn", `${run.control} control`));
  if (run.partial) title.append(make("span", "badge warn", "partial"));
  if (base) title.append(make("span", "against", "against"), make("span", "base-name", base.name));
  const facts = [
    [run.model, "model"],
    [run.protocol && `protocol ${run.protocol}`, "protocol"],
    [run.engine, "engine"],
    [run.fingerprint, "generation fingerprint"],
  ];
  for (const [text, hint] of facts.filter(([text]) => text)) {
    const fact = make("span", "", text);
    fact.title = hint;
    byId("run-facts").append(fact);
  }
  const notices = byId("notices");
  notices.hidden = index.notices.length === 0;
  const list = make("ul");
  for (const notice of index.notices) list.append(make("li", "", notice));
  const close = toolButton("close", "Hide these notices", () => {
    notices.hidden = true;
    drawRows();
  });
  notices.append(list, close);
}

function option(value, text) {
  const made = make("option", "", text);
  made.value = value;
  return made;
}

function fillSelects() {
  const counts = new Map();
  const groups = new Map();
  for (const sample of SAMPLES) {
    counts.set(sample.task, (counts.get(sample.task) ?? 0) + 1);
    if (chosen.task && sample.task !== chosen.task) continue;
    for (const [name, value] of Object.entries(sample.groups)) {
      if (!groups.has(name)) groups.set(name, new Map());
      groups.get(name).set(value, (groups.get(name).get(value) ?? 0) + 1);
    }
  }
  const tasks = [...counts].map(([task, count]) => option(task, `${task} (${grouped(count)})`));
  byId("task").replaceChildren(option("", counts.size === 1 ? "One task" : `All ${counts.size} tasks`), ...tasks);
  byId("task").value = chosen.task;
  const subgroups = [...groups].map(([name, values]) => {
    const made = make("optgroup");
    made.label = name;
    const sorted = [...values].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
    made.append(...sorted.map(([value, count]) => option(groupLabel(name, value), `${value} (${grouped(count)})`)));
    return made;
  });
  byId("group").replaceChildren(option("", "All subgroups"), ...subgroups);
  byId("group").value = chosen.group;
  byId("group").disabled = groups.size === 0;
}

function fillOrders() {
  const usable = Object.entries(ORDERS).filter(([, order]) => index.base || !order.needsBase);
  byId("order").replaceChildren(...usable.map(([name, order]) => option(name, order.label)));
}

function drawChips(inside) {
  const chips = [];
  for (const [kind, group] of Object.entries(GROUPS)) {
    for (const [name, filter] of Object.entries(group)) {
      const count = inside.filter((place) => filter.holds(SAMPLES[place])).length;
      const active = chosen.filters.has(name);
      if (kind === "flip" && !index.base) continue;
      if (name === "skipped" && count === 0 && !active) continue;
      const chip = make("button", `chip ${name}`, filter.label);
      chip.type = "button";
      chip.title = filter.hint;
      chip.dataset.filter = name;
      chip.setAttribute("aria-pressed", String(active));
      chip.disabled = count === 0 && !active;
      chip.append(make("b", "", grouped(count)));
      chip.addEventListener("click", () => toggleFilter(name));
      chips.push(chip);
    }
  }
  byId("chips").replaceChildren(...chips);
}

/** The bar of wrong, mixed and right questions among those shown. */
function drawShares() {
  const parts = [];
  for (const verdict of ["right", "mixed", "wrong", "none"]) {
    const count = shown.filter((place) => SAMPLES[place].verdict === verdict).length;
    if (!count) continue;
    const part = make("i", verdict);
    part.style.flexGrow = String(count);
    part.title = `${grouped(count)} ${verdict === "none" ? "without a verdict" : verdict}`;
    parts.push(part);
  }
  byId("shares").replaceChildren(...parts);
}

function drawTally() {
  let right = 0;
  let graded = 0;
  for (const place of shown) {
    right += SAMPLES[place].right;
    graded += SAMPLES[place].graded;
  }
  const tally = byId("count");
  const of = shown.length === SAMPLES.length ? "" : ` of ${grouped(SAMPLES.length)}`;
  tally.replaceChildren(make("b", "", grouped(shown.length)), `${of} ${SAMPLES.length === 1 ? "question" : "questions"}`);
  tally.title = graded ? `${grouped(right)} of ${grouped(graded)} graded attempts are right` : "nothing is graded";
  if (graded) tally.append(make("span", "share", ` · ${((100 * right) / graded).toFixed(1)} % right`));
  byId("order").value = chosen.order;
  byId("search").value = chosen.query;
}

function toggleFilter(name) {
  if (!chosen.filters.delete(name)) chosen.filters.add(name);
  refresh();
}

const THEMES = ["auto", "light", "dark"];

function stored(key) {
  try {
    return localStorage.getItem(key);
  } catch (error) {
    if (error instanceof DOMException) return null; // storage is switched off for local files
    throw error;
  }
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  const title = `Theme: ${theme} (t)`;
  byId("theme").title = title;
  byId("theme").setAttribute("aria-label", title);
  try {
    localStorage.setItem("vigos-theme", theme);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
  }
}

function nextTheme() {
  setTheme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]);
}
