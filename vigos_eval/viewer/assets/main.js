// Ties it together: choosing a question, the keyboard, the address, and the start.

const narrow = matchMedia("(max-width: 760px)");

function showPane(name) {
  document.body.dataset.pane = name;
}

/** Make a question the current one. `remember` adds a step to the browser's history. */
function select(place, remember = false) {
  current = place;
  markRows();
  if (place !== null) revealRow(place);
  if (place !== null && narrow.matches) showPane("sample");
  history[remember ? "pushState" : "replaceState"](null, "", addressed());
  return drawSample();
}

function showList() {
  showPane("list");
  drawRows();
  if (narrow.matches) {
    current = null;
    history.replaceState(null, "", addressed());
    markRows();
  }
}

function step(by) {
  if (!shown.length) return;
  const at = current === null ? -1 : shown.indexOf(current);
  const next = at < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, at + by));
  select(shown[next]);
}

/** Apply filters, search and order; keep the current question when it is still among them. */
function refresh() {
  const inside = choose();
  drawChips(inside);
  drawShares();
  drawTally();
  scroller.scrollTop = 0;
  redrawRows();
  if (narrow.matches && document.body.dataset.pane === "list") {
    history.replaceState(null, "", addressed());
    return undefined;
  }
  return select(shown.includes(current) ? current : (shown[0] ?? null));
}

let searchTimer = 0;

function search(text) {
  clearTimeout(searchTimer);
  searchTimer = setTimeout(async () => {
    if (text && !haystacks) byId("count").textContent = "reading all responses…";
    if (text) await searchable();
    chosen.query = text;
    await refresh();
  }, 120);
}

async function followAddress() {
  const key = readAddress();
  if (chosen.query) await searchable();
  fillSelects();
  let inside = choose();
  const place = PLACE_OF.get(key);
  if (key && place === undefined) say(`No question ${key} in this run`);
  if (place !== undefined && !shown.includes(place)) {
    clearFilters();
    fillSelects();
    inside = choose();
  }
  drawChips(inside);
  drawShares();
  drawTally();
  redrawRows();
  showPane(place === undefined ? "list" : "sample");
  if (place === undefined && narrow.matches) {
    current = null;
    return;
  }
  await select(place ?? shown[0] ?? null);
}

function openFirstImage() {
  const images = current === null ? [] : SAMPLES[current].images;
  const image = images.find((one) => !index.images[one].fault);
  if (image !== undefined) openLightbox(images, image);
}

function leave() {
  if (document.activeElement === byId("search")) byId("search").blur();
  else if (narrow.matches) showList();
}

const PRESS = {
  j: () => step(1),
  ArrowDown: () => step(1),
  k: () => step(-1),
  ArrowUp: () => step(-1),
  Home: () => shown.length && select(shown[0]),
  End: () => shown.length && select(shown.at(-1)),
  " ": (event) => pane.scrollBy({ top: (event.shiftKey ? -0.8 : 0.8) * pane.clientHeight, behavior: "smooth" }),
  PageDown: () => pane.scrollBy({ top: 0.8 * pane.clientHeight, behavior: "smooth" }),
  PageUp: () => pane.scrollBy({ top: -0.8 * pane.clientHeight, behavior: "smooth" }),
  e: unfoldAll,
  i: openFirstImage,
  "/": () => {
    showPane("list");
    byId("search").focus();
    byId("search").select();
  },
  w: () => toggleFilter("wrong"),
  m: () => toggleFilter("mixed"),
  r: () => toggleFilter("right"),
  x: () => {
    clearFilters();
    fillSelects();
    refresh();
  },
  c: copyLink,
  t: nextTheme,
  "?": () => help.showModal(),
};

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open || lightbox.open) return;
  if (event.key === "Escape") {
    leave();
    return;
  }
  if (event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement) {
    if (event.target === byId("search") && event.key === "Enter") event.target.blur();
    return;
  }
  // Space and Enter on a focused button or attempt press that, as everywhere.
  if (event.key === " " && event.target instanceof Element && event.target.closest("button, summary")) return;
  if (/^[1-9]$/.test(event.key)) {
    const card = pane.querySelector(`details[data-number="${Number(event.key) - 1}"]`);
    if (card) unfold(Number(event.key) - 1, !card.open);
    return;
  }
  if (!Object.hasOwn(PRESS, event.key)) return;
  event.preventDefault();
  PRESS[event.key](event);
}

function listen() {
  let due = false;
  scroller.addEventListener("scroll", () => {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      drawRows();
    });
  }, { passive: true });
  addEventListener("resize", drawRows);
  addEventListener("hashchange", followAddress);
  addEventListener("keydown", press);
  spacer.addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (!row || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    select(PLACE_OF.get(row.dataset.key), true);
  });
  byId("search").addEventListener("input", (event) => search(event.target.value.trim()));
  byId("task").addEventListener("change", (event) => {
    Object.assign(chosen, { task: event.target.value, group: "" });
    fillSelects();
    refresh();
  });
  byId("group").addEventListener("change", (event) => {
    chosen.group = event.target.value;
    refresh();
  });
  byId("order").addEventListener("change", (event) => {
    chosen.order = event.target.value;
    refresh();
  });
  byId("theme").addEventListener("click", nextTheme);
  byId("help-open").addEventListener("click", () => help.showModal());
}

async function start() {
  setTheme(THEMES.includes(stored("vigos-theme")) ? stored("vigos-theme") : "auto");
  drawHead();
  fillOrders();
  fillHelp();
  listen();
  await followAddress();
  // Tests and the bench read it: milliseconds from opening to the first question on the screen.
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
}

start();
