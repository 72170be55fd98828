// Elements, icons and small words. What comes from elsewhere only ever becomes text.

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  pause: "M8 5v14M16 5v14",
  play: "M7 4l13 8-13 8z",
  search: "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13M15.5 15.5L21 21",
  sliders: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5",
  chart: "M4 20h16M7 16v-5M12 16V5M17 16V9",
  moon: "M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.5 10.5z",
  sun: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.5 1.5M17.5 17.5L19 19M19 5l-1.5 1.5M6.5 17.5L5 19",
  help: "M9 9a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.4M12 17.5v.5",
  close: "M6 6l12 12M18 6L6 18",
  down: "M12 5v14M6 13l6 6 6-6",
  send: "M4 12l16-8-5 16-3-6z",
  reply: "M10 6L4 12l6 6M4 12h9a7 7 0 0 1 7 7",
  why: "M9 9a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.4M12 17.5v.5M12 2.5a9.5 9.5 0 1 1 0 19 9.5 9.5 0 0 1 0-19",
  again: "M20 11a8 8 0 1 0-2 6M20 5v6h-6",
  back: "M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4.2 4.2 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4.2 4.2 0 0 0 6 6l1-1",
  mute: "M4 9h4l5-4v14l-5-4H4zM17 9l5 6M22 9l-5 6",
  speak: "M4 9h4l5-4v14l-5-4H4zM17 9a4.5 4.5 0 0 1 0 6",
};

export const byId = (id) => document.getElementById(id);

/** An element. Attributes that are null, undefined or false are left out; `onclick` and the like
 *  listen; `text` and strings among the children become text. */
export function h(name, attributes = {}, ...children) {
  return made(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function s(name, attributes = {}, ...children) {
  return made(document.createElementNS(SVG, name), attributes, children);
}

function made(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "text") element.textContent = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  const isThere = (child) => child !== null && child !== undefined && child !== false;
  element.append(...children.flat().filter(isThere));
  return element;
}

export function icon(name) {
  const path = s("path", { d: ICONS[name] });
  return s("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, path);
}

/** Gives everything below that says data-icon its picture. */
export function drawIcons(root = document) {
  for (const element of root.querySelectorAll("[data-icon]")) setIcon(element, element.dataset.icon);
}

export function setIcon(element, name) {
  element.querySelector("svg")?.remove();
  element.prepend(icon(name));
}

export function button(text, iconName, action, attributes = {}) {
  return h("button", { type: "button", onclick: action, ...attributes }, icon(iconName), text);
}

/** A text in which one part is marked. `start` and `end` count code points, as the server does. */
export function marked(text, start, end) {
  const points = Array.from(text);
  const part = (from, to) => points.slice(from, to).join("");
  return [part(0, start), h("mark", { text: part(start, end) }), part(end)];
}

/** "1 line", "3 lines". */
export function counted(count, word) {
  return `${count.toLocaleString()} ${word}${count === 1 ? "" : "s"}`;
}

/** The class of a speaker's colour; people and unknown names have none. */
export const colorClass = (color) => (/^[a-z]+$/.test(color ?? "") ? `c-${color}` : "");

export function remembered(key, otherwise) {
  try {
    return localStorage.getItem(key) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // A browser that keeps nothing: as good as asked again next time.
  }
}
