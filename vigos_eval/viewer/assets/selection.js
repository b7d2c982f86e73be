// What is chosen: filters, search, order, the current question, and all of it in the address.

const GROUPS = {
  verdict: {
    wrong: { label: "Wrong", hint: "no attempt is right", holds: (s) => s.verdict === "wrong" },
    mixed: { label: "Mixed", hint: "some attempts are right", holds: (s) => s.verdict === "mixed" },
    right: { label: "Right", hint: "every attempt is right", holds: (s) => s.verdict === "right" },
  },
  flip: {
    lost: { label: "Flipped to wrong", hint: "right at least once in the base, never here", holds: (s) => s.lost },
    gained: { label: "Flipped to right", hint: "never right in the base, right at least once here", holds: (s) => s.gained },
  },
  fault: {
    unparsed: { label: "Unparsed", hint: "an attempt without an answer", holds: (s) => s.unparsed > 0 },
    truncated: { label: "Truncated", hint: "an attempt cut off at the token limit", holds: (s) => s.truncated > 0 },
    ungraded: { label: "Ungraded", hint: "an attempt the grader could not decide, or has not seen yet", holds: (s) => s.ungraded > 0 },
    malformed: { label: "Off format", hint: "an attempt without all three segments", holds: (s) => s.malformed > 0 },
    skipped: { label: "Skipped", hint: "never asked", holds: (s) => s.skipped === true },
  },
};

const ORDERS = {
  run: { label: "By name", compare: null },
  worst: { label: "Fewest right first", compare: (a, b) => (a.share ?? 2) - (b.share ?? 2) },
  drop: { label: "Largest drop first", compare: (a, b) => (a.change ?? 2) - (b.change ?? 2), needsBase: true },
  gain: { label: "Largest gain first", compare: (a, b) => (b.change ?? -2) - (a.change ?? -2), needsBase: true },
  long: { label: "Longest responses first", compare: (a, b) => b.tokens - a.tokens },
};

const chosen = { task: "", group: "", filters: new Set(), query: "", order: "run" };
let shown = []; // places of the questions that pass the filters, in order
let current = null; // place of the question in the right-hand pane

const groupLabel = (name, value) => `${name}=${value}`;

function inScope(place) {
  const sample = SAMPLES[place];
  if (chosen.task && sample.task !== chosen.task) return false;
  if (chosen.group) {
    const groups = Object.entries(sample.groups).map(([name, value]) => groupLabel(name, value));
    if (!groups.includes(chosen.group)) return false;
  }
  return !chosen.query || !haystacks || haystacks[place].includes(chosen.query.toLowerCase());
}

/** Filters of one kind widen (wrong or mixed), kinds narrow (wrong and truncated). */
function passes(sample) {
  return Object.values(GROUPS).every((group) => {
    const active = Object.entries(group).filter(([name]) => chosen.filters.has(name));
    return active.length === 0 || active.some(([, filter]) => filter.holds(sample));
  });
}

/** The questions in scope (task, subgroup, search), before the filter chips. */
const scope = () => [...SAMPLES.keys()].filter(inScope);

function choose() {
  const inside = scope();
  shown = inside.filter((place) => passes(SAMPLES[place]));
  const { compare } = ORDERS[chosen.order];
  if (compare) shown.sort((a, b) => compare(SAMPLES[a], SAMPLES[b]) || a - b);
  return inside;
}

function addressed() {
  const parameters = new URLSearchParams();
  if (chosen.task) parameters.set("task", chosen.task);
  if (chosen.group) parameters.set("group", chosen.group);
  if (chosen.filters.size) parameters.set("show", [...chosen.filters].join(","));
  if (chosen.query) parameters.set("q", chosen.query);
  if (chosen.order !== "run") parameters.set("order", chosen.order);
  const key = current === null ? "" : encodeURIComponent(SAMPLES[current].key);
  const tail = parameters.toString();
  return tail ? `#${key}?${tail}` : `#${key}`;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text; // a key with a bare % typed by hand
    throw error;
  }
}

/** Take filters and question from the address; returns the key it names, "" for none. */
function readAddress() {
  const hash = location.hash.slice(1);
  const split = PLACE_OF.has(decoded(hash)) ? -1 : hash.indexOf("?");
  const parameters = new URLSearchParams(split < 0 ? "" : hash.slice(split + 1));
  const known = Object.values(GROUPS).flatMap((group) => Object.keys(group));
  chosen.task = parameters.get("task") ?? "";
  chosen.group = parameters.get("group") ?? "";
  chosen.filters = new Set((parameters.get("show") ?? "").split(",").filter((f) => known.includes(f)));
  chosen.query = parameters.get("q") ?? "";
  chosen.order = Object.hasOwn(ORDERS, parameters.get("order") ?? "") ? parameters.get("order") : "run";
  return decoded(split < 0 ? hash : hash.slice(0, split));
}

function clearFilters() {
  Object.assign(chosen, { task: "", group: "", query: "" });
  chosen.filters.clear();
}
