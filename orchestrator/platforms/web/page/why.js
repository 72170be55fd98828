// Why a line was said: what the transcript knows, in the panel.

import { button, h, marked } from "./dom.js";
import { shortened } from "./line.js";
import { dayAndTime } from "./times.js";

const PHRASES_FROM = {
  line: "from this line",
  person: "from what a person wrote",
  wish: "somebody asked for it",
  topic: "the topic of the moment",
  fresh: "a new subject",
  free: "none: free to say anything",
};

/** The elements for an answer of /api/lines/ID/why. `actions`: again, oops, reply, link, jump;
 *  each gets a line. */
export function whyElements(why, people, actions) {
  const { line } = why;
  return [
    quote(line, people),
    buttons(line, actions),
    explanation(why.explanation),
    phrase(why, people, actions),
    weights(why.weights ?? [], line.speaker, people),
    candidates(why.candidates ?? []),
    edits(why.edits ?? []),
    facts(why),
    h("details", {}, h("summary", { text: "All in words" }), h("pre", { text: why.explanation.join("\n") })),
  ].filter(Boolean);
}

/** Marks the phrase in the conversation, too, where the lines are on the page. Returns what
 *  takes the marks away. */
export function highlightPhrase(why) {
  if (!why.phrase || !globalThis.Highlight) return () => {};
  const ranges = [rangeOf(why.phrase.from_line?.id, why.phrase.text), rangeOf(why.line.id, why.phrase.text)];
  CSS.highlights.set("phrase", new Highlight(...ranges.filter(Boolean)));
  return () => CSS.highlights.delete("phrase");
}

function rangeOf(id, phrase) {
  const text = document.querySelector(`#line-${id} .text`)?.firstChild;
  const start = text ? text.data.toLowerCase().indexOf(phrase.toLowerCase()) : -1;
  if (start < 0) return null;
  const range = new Range();
  range.setStart(text, start);
  // Lower case may be longer than what it was made of.
  range.setEnd(text, Math.min(start + phrase.length, text.length));
  return range;
}

function quote(line, people) {
  return h("blockquote", { class: `quote ${people.colorOf(line.speaker)}` },
    h("span", { class: "name", text: line.speaker }),
    h("p", { dir: "auto", text: line.unsaid ? `(taken back) ${line.text}` : line.text }),
  );
}

function buttons(line, actions) {
  const isFriends = line.kind === "friend" && !line.unsaid;
  return h("p", { class: "buttons" },
    isFriends && button("Roll again", "again", () => actions.again(line), { title: "Something else in its place" }),
    isFriends && button("Take back", "back", () => actions.oops(line), { title: "Never to be said again" }),
    !line.unsaid && button("Answer", "reply", () => actions.reply(line)),
    button("Copy link", "link", () => actions.link(line)),
  );
}

/** Who, why and about what. The heading and what comes after the turn are shown in other ways. */
function explanation(sentences) {
  const end = sentences.findIndex((text, at) => at > 0 && (text.startsWith(" ") || /^\d+ candidates?/.test(text)));
  const shown = sentences.slice(1, end < 0 ? undefined : end).filter((text) => !text.endsWith(":"));
  return h("div", { class: "explanation" }, (shown.length ? shown : sentences).map((text) => h("p", { text })));
}

function phrase(why, people, actions) {
  if (!why.phrase) {
    return why.source === "free" ? section("Phrase", h("p", { text: PHRASES_FROM.free })) : null;
  }
  const { text, from_line: from, start, end } = why.phrase;
  return section("Phrase",
    h("p", {}, h("mark", { dir: "auto", text }), from ? ` ${PHRASES_FROM.line}:` : ` ${PHRASES_FROM[why.source] ?? ""}`),
    from && h("button", { class: `quote ${people.colorOf(from.speaker)}`, type: "button", onclick: () => actions.jump(from) },
      h("span", { class: "name", text: from.speaker }),
      h("span", { dir: "auto", class: "from" }, start === null || start === undefined ? from.text : marked(from.text, start, end)),
    ),
  );
}

function weights(shares, speaker, people) {
  if (shares.length === 0) return null;
  const most = Math.max(...shares.map(({ share }) => share), 0.01);
  return section("Who was likely to speak",
    h("ul", { class: "bars" }, [...shares].sort((a, b) => b.share - a.share).map(({ name, share }) => {
      const bar = h("span", { class: "bar" });
      bar.style.inlineSize = `${(100 * share) / most}%`;
      return h("li", { class: people.colorOf(name) },
        h("span", { class: name === speaker ? "name" : "", text: name }),
        h("span", { class: "track", "aria-hidden": "true" }, bar),
        h("span", { class: "figure", text: `${Math.round(100 * share)} %` }),
      );
    })),
  );
}

function candidates(attempts) {
  if (attempts.length === 0) return null;
  return section("What else could have been said", attempts.map((attempt, number) => [
    attempts.length > 1 && h("h4", { text: `Attempt ${number + 1}` }),
    h("ul", { class: "candidates" }, attempt.map(({ text, verdict, chosen }) =>
      h("li", { class: chosen ? "chosen" : "" },
        h("span", { dir: "auto", text: text || "(nothing)" }),
        h("small", { text: chosen ? "said" : verdict === "fit" ? "not needed" : `dropped: ${verdict}` }),
      ))),
  ]).flat());
}

function edits(changes) {
  if (changes.length === 0) return null;
  return section("Before", h("ul", { class: "candidates" }, changes.map(({ old_text: text, at }) =>
    h("li", {}, h("span", { dir: "auto", text }), h("small", { text: `until ${dayAndTime(at)}` })))));
}

function facts(why) {
  const rows = {
    said: dayAndTime(why.at ?? why.line.at),
    line: `#${why.line.id}`,
    took: why.seconds === null || why.seconds === undefined ? null : `${why.seconds.toFixed(2)} s`,
    seed: why.seed,
    ...plain("model", why.model),
    ...plain("", why.sampling),
  };
  return section("Facts", factList(rows));
}

/** A list of terms; those without a value are left out. */
export function factList(rows) {
  const known = Object.entries(rows).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, known.flatMap(([term, value]) => [
    h("dt", { text: term }), h("dd", {}, value instanceof Node ? value : String(value)),
  ]));
}

function plain(prefix, values) {
  return Object.fromEntries(Object.entries(values ?? {})
    .filter(([, value]) => ["string", "number", "boolean"].includes(typeof value))
    .map(([key, value]) => [`${prefix} ${key.replaceAll("_", " ")}`.trim(), value]));
}

export function section(title, ...children) {
  return h("section", {}, h("h3", { text: title }), ...children);
}

export const titleOf = (line) => (line.kind === "friend"
  ? `Why did ${line.speaker} say this?` : `What became of “${shortened(line)}”`);
