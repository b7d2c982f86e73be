// Images at full size, the keyboard help, and short messages.

const lightbox = byId("lightbox");
const help = byId("help");

function openLightbox(images, image) {
  const readable = images.filter((one) => !index.images[one].fault);
  let at = Math.max(0, readable.indexOf(image));
  const picture = make("img");
  const caption = make("p", "caption");
  const show = () => {
    const { width, height } = index.images[readable[at]];
    picture.classList.remove("actual");
    picture.src = fullImageOf(readable[at]) || thumbnailOf(readable[at]);
    picture.alt = `image ${at + 1} of ${readable.length}`;
    const which = readable.length > 1 ? `image ${at + 1} of ${readable.length} · ` : "";
    caption.textContent = `${which}${width} × ${height} pixels · click to zoom · Esc to close`;
  };
  picture.addEventListener("error", () => {
    const small = thumbnailOf(readable[at]);
    if (picture.src === small) return;
    picture.src = small;
    caption.textContent = "The full-size image is not beside this page; this is its thumbnail.";
  });
  const turn = (by) => {
    at = (at + by + readable.length) % readable.length;
    show();
  };
  picture.addEventListener("click", () => picture.classList.toggle("actual"));
  const buttons = [toolButton("close", "Close (Esc)", () => lightbox.close())];
  if (readable.length > 1) {
    buttons.unshift(toolButton("left", "Previous image", () => turn(-1)), toolButton("right", "Next image", () => turn(1)));
  }
  lightbox.onkeydown = (event) => {
    if (event.key === "ArrowLeft") turn(-1);
    if (event.key === "ArrowRight") turn(1);
  };
  lightbox.replaceChildren(make("div", "stage", null, picture), make("div", "lightbox-bar", null, caption, ...buttons));
  show();
  lightbox.showModal();
}

const KEYS = [
  ["j  ↓", "next question"],
  ["k  ↑", "previous question"],
  ["Home  End", "first, last question"],
  ["Space", "scroll the question"],
  ["1 … 9", "open or close that attempt"],
  ["e", "open or close all attempts"],
  ["i", "image at full size; ← → for the next one"],
  ["/", "search"],
  ["w  m  r", "only wrong, mixed, right"],
  ["x", "clear filters and search"],
  ["c", "copy the link to this question"],
  ["t", "light, dark or the system's theme"],
  ["?", "this help"],
  ["Esc", "leave search, close, back to the list"],
];

function fillHelp() {
  const list = make("dl");
  for (const [keys, meaning] of KEYS) {
    const term = make("dt");
    for (const key of keys.split("  ")) term.append(make("kbd", "", key));
    list.append(term, make("dd", "", meaning));
  }
  help.append(make("h2", "", "Keyboard"), list, toolButton("close", "Close (Esc)", () => help.close()));
  for (const dialog of [help, lightbox]) {
    // The backdrop belongs to the dialog element itself.
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog || event.target.className === "stage") dialog.close();
    });
  }
}

let toastTimer = 0;

/** A message that goes away by itself. */
function say(text) {
  document.querySelector(".toast")?.remove();
  const toast = make("p", "toast", text);
  toast.setAttribute("role", "status");
  document.body.append(toast);
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => toast.remove(), 2600);
}

async function copyLink() {
  if (current === null) return;
  const link = location.href.split("#")[0] + `#${encodeURIComponent(SAMPLES[current].key)}`;
  try {
    await navigator.clipboard.writeText(link);
    say("Link copied");
  } catch (error) {
    if (!(error instanceof DOMException || error instanceof TypeError)) throw error;
    say("The browser does not let pages copy; the link is in the address bar");
  }
}
