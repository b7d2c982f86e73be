// The records embedded in the page, read when they are needed. Text becomes text nodes only.

const byId = (id) => document.getElementById(id);
const embedded = (id) => JSON.parse(byId(id).textContent);

/** A new element with a class and text; children may follow. Text is never parsed as HTML. */
function make(tag, className = "", text = null, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== null) element.textContent = text;
  element.append(...children);
  return element;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

const index = embedded("index");
const SAMPLES = index.samples;
const PLACE_OF = new Map(SAMPLES.map((sample, place) => [sample.key, place]));
const numbers = new Intl.NumberFormat("en");
const grouped = (value) => numbers.format(value);

for (const sample of SAMPLES) Object.assign(sample, standing(sample));

/** How a question went: its class, its share of right attempts, and how it moved against the base. */
function standing(sample) {
  const graded = (letters) => [...letters].filter((l) => l === "c" || l === "w").length;
  const right = (letters) => [...letters].filter((l) => l === "c").length;
  const share = (letters) => (graded(letters) ? right(letters) / graded(letters) : null);
  const ours = share(sample.outcomes);
  const theirs = sample.base === undefined ? null : share(sample.base);
  const change = ours === null || theirs === null ? null : ours - theirs;
  const verdict = ours === null ? "none" : ours === 1 ? "right" : ours === 0 ? "wrong" : "mixed";
  return {
    verdict,
    share: ours,
    right: right(sample.outcomes),
    graded: graded(sample.outcomes),
    ungraded: sample.outcomes.length - graded(sample.outcomes),
    baseRight: sample.base === undefined ? null : right(sample.base),
    baseGraded: sample.base === undefined ? null : graded(sample.base),
    change,
    lost: change !== null && theirs > 0 && ours === 0,
    gained: change !== null && theirs === 0 && ours > 0,
  };
}

async function unpacked(id) {
  const packed = atob(embedded(id));
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i += 1) bytes[i] = packed.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

// A few blocks stay unpacked: stepping through neighbours unpacks nothing anew.
const BLOCKS_KEPT = 6;
const blocks = new Map();

function block(which) {
  const kept = blocks.get(which) ?? unpacked(`samples-${which}`);
  blocks.delete(which);
  blocks.set(which, kept);
  if (blocks.size > BLOCKS_KEPT) blocks.delete(blocks.keys().next().value);
  return kept;
}

/** Everything about one question, by its place in the run. */
async function detailsOf(place) {
  const whole = await block(Math.floor(place / index.samplesPerBlock));
  return whole[place % index.samplesPerBlock];
}

const urlBlocks = new Map();

function urlOf(kind, image) {
  const id = `${kind}-${Math.floor(image / index.imagesPerBlock)}`;
  if (!urlBlocks.has(id)) urlBlocks.set(id, embedded(id));
  return urlBlocks.get(id)[image % index.imagesPerBlock];
}

const thumbnailOf = (image) => urlOf("thumbnails", image);
const fullImageOf = (image) => urlOf("images", image);

// Lower-case text of every question with its responses, made at the first search.
let haystacks = null;

async function searchable() {
  if (haystacks) return haystacks;
  const made = [];
  for (let which = 0; which * index.samplesPerBlock < SAMPLES.length; which += 1) {
    for (const one of await unpacked(`samples-${which}`)) made.push(haystack(SAMPLES[made.length], one));
  }
  haystacks = made;
  return haystacks;
}

function haystack(sample, one) {
  const texts = [sample.key, one.question, one.gold, ...one.options];
  for (const attempt of [...one.attempts, ...(one.base ?? [])]) {
    texts.push(attempt.answer ?? "", attempt.reason ?? "", attempt.parts.map((p) => p[1]).join(""));
  }
  return texts.join("\n").toLowerCase();
}
