// Search through all that was said, in the panel.

import { h } from "./dom.js";
import { get } from "./server.js";
import { dayName, timeOfDay } from "./times.js";

const PATIENCE_MS = 200;
/** The server's index knows parts of words from three letters on; fewer take longer. */
const FEWEST_CHARS = 2;

/** Opens the search. `jump(line)` shows a line in its place. */
export function openSearch(panel, people, jump) {
  if (panel.shown === "search") return panel.body.querySelector("input").focus();
  const field = h("input", { type: "search", id: "search-words", "aria-label": "Search the conversation", placeholder: "soup", autocomplete: "off" });
  const told = h("p", { class: "small", role: "status" });
  const results = h("ul", { class: "results" });
  const more = h("button", { type: "button", hidden: true, text: "Older ones" });
  let asking = new AbortController();
  let timer = 0;
  let oldest = null;

  async function look(isMore) {
    asking.abort();
    asking = new AbortController();
    const words = field.value.trim();
    if (!isMore) {
      results.replaceChildren();
      oldest = null;
    }
    more.hidden = true;
    if (words.length < FEWEST_CHARS) {
      told.textContent = words ? "At least two letters." : "";
      return;
    }
    try {
      const found = await get("/api/search", { q: words, before: oldest }, asking.signal);
      const entries = found.lines.toReversed().map((line) => entry(line, words, people, jump));
      results.append(...entries);
      if (isMore) entries[0]?.querySelector("button").focus();
      oldest = found.lines.length ? Math.min(...found.lines.map((line) => line.id)) : null;
      more.hidden = !found.more_before || oldest === null;
      const count = results.childElementCount;
      told.textContent = count ? `${count}${more.hidden ? "" : " or more"} found` : `Nobody said “${words}”.`;
    } catch (error) {
      if (error.name !== "AbortError") told.textContent = error.message;
    }
  }

  field.oninput = () => {
    clearTimeout(timer);
    timer = setTimeout(() => look(false), PATIENCE_MS);
  };
  more.onclick = () => look(true);
  panel.show("search", "Search", [field, told, results, more], () => {
    clearTimeout(timer);
    asking.abort();
  });
  field.focus();
}

function entry(line, words, people, jump) {
  return h("li", {}, h("button", { type: "button", class: `quote ${people.colorOf(line.speaker)}`, onclick: () => jump(line) },
    h("span", {}, h("span", { class: "name", text: line.speaker }), h("small", { text: ` ${dayName(line.at)}, ${timeOfDay(line.at)}` })),
    h("span", { class: "from", dir: "auto" }, withMarks(line.text, words)),
  ));
}

/** The text with what was looked for marked, as far as it is there in these letters. */
function withMarks(text, words) {
  const parts = [];
  const low = text.toLowerCase();
  const wanted = words.toLowerCase();
  // In a few scripts lower case is longer; then nothing is marked.
  let at = low.length === text.length ? low.indexOf(wanted) : -1;
  let done = 0;
  while (at >= 0) {
    parts.push(text.slice(done, at), h("mark", { text: text.slice(at, at + wanted.length) }));
    done = at + wanted.length;
    at = low.indexOf(wanted, done);
  }
  return [...parts, text.slice(done)];
}
