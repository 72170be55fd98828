// One line of the conversation as an element, and how it changes in place. A row holds a line,
// and above it the heading of its day where one begins.

import { button, colorClass, counted, h } from "./dom.js";
import { dayAndTime, dayKey, dayName, timeOfDay } from "./times.js";

const GROUP_MS = 5 * 60_000;
const QUOTED_CHARS = 90;

const dataOf = new WeakMap();

/** The line that a row shows. */
export const lineOf = (row) => dataOf.get(row);

/** `people` knows colours and pictures: friend(name); isOwn(line). `find(id)` is the line of that
 *  number as far as it is known. */
export function drawRow(line, people, find) {
  const row = h("div", { class: "row" });
  changeRow(row, line, people, find);
  return row;
}

/** Shows the line in the row anew; the day's heading above it stays. */
export function changeRow(row, line, people, find) {
  dataOf.set(row, line);
  const old = row.querySelector(".line");
  const fresh = drawLine(line, people, find);
  if (old === null) return row.append(fresh);
  const hadFocus = old.contains(document.activeElement);
  fresh.tabIndex = old.tabIndex;
  old.replaceWith(fresh);
  placeRow(row);
  if (hadFocus) fresh.focus({ preventScroll: true });
}

/** Sets what depends on the row above: is it another day, another speaker? That a line answers the
 *  one above it need not be said. */
export function placeRow(row) {
  const line = lineOf(row);
  const above = row.previousElementSibling && lineOf(row.previousElementSibling);
  const isNewDay = !above || dayKey(above.at) !== dayKey(line.at);
  const heading = row.querySelector("h2");
  if (isNewDay && heading === null) {
    row.prepend(h("h2", { class: "day" }, h("time", { datetime: line.at, text: dayName(line.at) })));
  } else if (!isNewDay) {
    heading?.remove();
  }
  const goesOn = !isNewDay && above.speaker === line.speaker && above.kind === line.kind
    && above.stage === line.stage && new Date(line.at) - new Date(above.at) < GROUP_MS;
  row.querySelector(".line").classList.toggle("starts", !goesOn);
  const answers = row.querySelector(".answers");
  if (answers) answers.hidden = line.reply_to === above?.id;
}

function drawLine(line, people, find) {
  const friend = line.kind === "friend" ? people.friend(line.speaker) : null;
  const isOwn = people.isOwn(line);
  const attributes = {
    class: `line ${line.kind} ${colorClass(friend?.color)} ${isOwn ? "own" : ""}`,
    id: `line-${line.id}`, role: "article", tabindex: "-1",
    "aria-label": `${line.kind === "notice" ? "Notice" : line.speaker}, ${timeOfDay(line.at)}`,
  };
  if (line.kind === "notice") {
    return h("div", attributes, h("p", { class: "said", dir: "auto", text: line.text }));
  }
  return h("div", attributes,
    picture(line, friend),
    head(line, isOwn),
    h("div", { class: "bubble" }, quoted(line, find), said(line)),
    tools(line),
    reactions(line),
  );
}

/** What the line says, or that it says nothing any more. */
function said(line) {
  if (line.unsaid) return h("p", { class: "said gone", text: "taken back" });
  const edited = line.edited && h("small", { class: "edited", text: " (edited)" });
  return h("p", { class: "said", dir: "auto" }, h("span", { class: "text", text: line.text }), edited);
}

export function picture(line, friend) {
  if (friend) {
    return h("img", { class: "avatar", src: friend.avatar, alt: "", width: 40, height: 40 });
  }
  return h("span", { class: "avatar initial", "aria-hidden": "true", text: initial(line.speaker) });
}

const initial = (name) => Array.from(name.trim())[0]?.toLocaleUpperCase() ?? "?";

function head(line, isOwn) {
  return h("p", { class: "head" },
    h("span", { class: "name", dir: "auto", text: line.speaker }),
    isOwn && line.speaker !== "You" && h("span", { class: "badge", text: "you" }),
    elsewhere(line) && h("span", { class: "badge", text: elsewhere(line) }),
    h("time", { datetime: line.at, title: dayAndTime(line.at), text: timeOfDay(line.at) }),
  );
}

/** "discord" for a line of "discord 1234"; nothing for those that were said here. */
export function elsewhere(line) {
  if (line.kind !== "person" || !line.stage) return "";
  const platform = line.stage.split(" ")[0];
  return platform === "web" ? "" : platform;
}

function quoted(line, find) {
  if (line.reply_to === null || line.reply_to === undefined) return null;
  const answered = find(line.reply_to);
  const text = answered ? quoteOf(answered) : "an earlier line";
  return h("a", { class: "answers", href: `#line-${line.reply_to}`, dir: "auto", title: "Answers this line", text });
}

export const quoteOf = (line) => `${line.speaker}: ${shortened(line)}`;

/** The beginning of a line's text. */
export function shortened(line) {
  if (line.unsaid) return "taken back";
  const points = Array.from(line.text);
  return points.length <= QUOTED_CHARS ? line.text : `${points.slice(0, QUOTED_CHARS).join("")}…`;
}

function reactions(line) {
  if (!line.reactions?.length) return null;
  return h("p", { class: "reactions" }, line.reactions.map(({ emoji, count }) => h("span", {
    title: counted(count, "reaction"), text: count > 1 ? `${emoji} ${count}` : emoji,
  })));
}

function tools(line) {
  if (line.unsaid) return null;
  return h("div", { class: "tools" },
    button("", "reply", null, { "data-do": "reply", "aria-label": "Answer this line", title: "Answer (r)" }),
    button("", "why", null, { "data-do": "why", "aria-label": "Why was this said?", title: "Why? (Enter)" }),
  );
}
