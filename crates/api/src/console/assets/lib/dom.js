// Elements, made and compared. Text goes in as text only: nothing a user stored becomes a part of the page.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element[name] = value;
    else if (name === "value" && "value" in element) element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) add(element, child);
    else element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** An element: h("a", { href: "#/keys", onclick }, "text", more). Attributes that are false are left out. */
export function h(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for a part of a drawing. */
export function s(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

/** Makes the children of `parent` look like `children`, and leaves alone what looks so already: who reads,
    writes or has chosen something there is not disturbed. */
export function show(parent, ...children) {
  const wanted = document.createElement("div");
  add(wanted, children);
  alike(parent, wanted);
}

function alike(parent, wanted) {
  let at = parent.firstChild;
  for (const next of [...wanted.childNodes]) {
    if (at && isSame(at, next)) {
      become(at, next);
      at = at.nextSibling;
    } else if (at && at.nextSibling && isSame(at.nextSibling, next) && keyOf(next)) {
      // One before it went.
      const gone = at;
      at = at.nextSibling;
      gone.remove();
      become(at, next);
      at = at.nextSibling;
    } else {
      parent.insertBefore(next, at);
      if (at && !keyOf(at)) {
        const gone = at;
        at = at.nextSibling;
        gone.remove();
      }
    }
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

const keyOf = (node) => node.nodeType === Node.ELEMENT_NODE && node.getAttribute("data-key");

function isSame(one, other) {
  return one.nodeName === other.nodeName && keyOf(one) === keyOf(other);
}

/** What is the user's own, and not to be taken back. */
const OWN = new Set(["open"]);

function become(old, wanted) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== wanted.data) old.data = wanted.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!wanted.hasAttribute(name) && !OWN.has(name)) old.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (old.getAttribute(name) !== value && !OWN.has(name)) old.setAttribute(name, value);
  }
  for (const handler of ["onclick", "oninput", "onchange", "onsubmit", "onkeydown", "ontoggle"]) {
    if (old[handler] !== wanted[handler]) old[handler] = wanted[handler];
  }
  if ("value" in old && old.nodeName !== "LI" && document.activeElement !== old) {
    if (old.nodeName !== "SELECT" && old.value !== wanted.value) old.value = wanted.value;
  }
  alike(old, wanted);
  if (old.nodeName === "SELECT" && document.activeElement !== old) old.value = wanted.value;
}

/** Tells who cannot see what changed. */
export function say(text) {
  document.getElementById("said").textContent = text;
}
