// The page of statistics: fetches the figures, and puts each picture beside its table.

import { arcs, bars, columns, pairs, spans } from "./charts.js";
import { byId, colorClass, counted, h } from "./dom.js";
import { get } from "./server.js";
import { dayAndTime, dayName, timeOfDay } from "./times.js";

const SOURCES = {
  line: "a friend's words",
  person: "a person's words",
  wish: "a wish",
  topic: "the topic",
  fresh: "a new subject",
  free: "free",
};
const RECENT_PHRASES = 8;

const percent = (share) => (share === null || share === undefined ? "?" : `${Math.round(100 * share)} %`);
const seconds = (value) => `${value.toFixed(2)} s`;

/** A picture with its title, what it shows in a sentence, and the same as a table. */
function figure(title, text, picture, heads, rows, more = null) {
  if (rows.length === 0) return null;
  picture?.setAttribute("aria-label", `${title}. ${text}`);
  return h("figure", { class: picture && more ? "tall" : "" },
    h("figcaption", {}, h("h2", { text: title }), h("p", { class: "small", text })),
    picture, more,
    h("details", {}, h("summary", { text: "As a table" }),
      h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": `${title}, table` }, h("table", {},
        h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col", text: head })))),
        h("tbody", {}, rows.map(([first, ...rest]) => h("tr", {},
          h("th", { scope: "row", text: first }), rest.map((cell) => h("td", { text: cell }))))),
      ))),
  );
}

function turnShares({ turn_shares: shares }, color) {
  const rows = shares.map(({ name, here, export: there }) => [name, percent(here), percent(there)]);
  return figure("Who talks how much",
    "The full bar is this show, the pale one the chat that they learnt from.",
    pairs(shares.map(({ name, here, export: there }) => ({ name, color: color(name), value: here, other: there }))),
    ["friend", "here", "in the export"], rows);
}

function phraseFlow({ phrases }, color) {
  const counts = new Map();
  for (const { from, to } of phrases) {
    const key = JSON.stringify([from, to]);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const flows = [...counts].map(([key, count]) => {
    const [from, to] = JSON.parse(key);
    return { from, to, count };
  }).sort((a, b) => b.count - a.count);
  const recent = phrases.toSorted((a, b) => b.line - a.line).slice(0, RECENT_PHRASES);
  return figure("Whose words are taken up",
    "An arc goes from who said a phrase to who took it up, above from left to right, below back.",
    arcs(flows, color), ["from", "to", "phrases"],
    flows.map(({ from, to, count }) => [from, to, count.toLocaleString()]),
    h("ul", { class: "recent" }, recent.map(({ phrase, from, to, line }) => h("li", {},
      h("a", { href: `/#line-${line}`, dir: "auto", text: phrase }), h("small", { text: ` ${from} → ${to}` })))));
}

function linesPerHour({ lines_per_hour: hours }) {
  const total = hours.reduce((sum, { lines }) => sum + lines, 0);
  return figure("Lines an hour", `${counted(total, "line")} in the hours shown.`,
    columns(hours.map(({ hour, lines }) => ({ value: lines, label: `${dayName(hour)} ${timeOfDay(hour)}` }))),
    ["hour", "lines"], hours.map(({ hour, lines }) => [dayAndTime(hour), lines.toLocaleString()]));
}

function sources({ sources: counts }) {
  const found = Object.entries(counts).sort(([, a], [, b]) => b - a).filter(([, count]) => count > 0);
  return figure("What lines begin from", "Where the phrase came from that a line takes up.",
    bars(found.map(([key, value]) => ({ name: SOURCES[key] ?? key, value }))),
    ["from", "lines"], found.map(([key, count]) => [SOURCES[key] ?? key, count.toLocaleString()]));
}

function speed({ seconds: all }, color) {
  const friends = (all.per_friend ?? []).filter(({ p50 }) => typeof p50 === "number");
  const told = typeof all.p50 === "number" ? `Half of all lines took less than ${seconds(all.p50)}, 99 of 100 less than ${seconds(all.p99)}.` : "";
  return figure("How long a line takes", told,
    spans(friends.map(({ name, p50, p99 }) => ({ name, color: color(name), from: p50, to: p99 })), seconds),
    ["friend", "half of the lines", "99 of 100"],
    friends.map(({ name, p50, p99 }) => [name, seconds(p50), seconds(p99)]));
}

function silences({ silences: found }) {
  return figure("Why nobody spoke", "Silences, by reason.",
    bars(found.map(({ reason, count }) => ({ name: reason, value: count }))),
    ["reason", "times"], found.map(({ reason, count }) => [reason, count.toLocaleString()]));
}

function favourites({ reactions }) {
  const list = h("ol", { class: "recent" }, reactions.map(({ line, count }) => h("li", {},
    h("a", { href: `/#line-${line.id}`, dir: "auto", text: `${line.speaker}: ${line.text}` }),
    h("small", { text: ` ${counted(count, "reaction")}` }))));
  return figure("What people liked", "The lines with the most reactions.", null, ["line", "reactions"],
    reactions.map(({ line, count }) => [`${line.speaker}: ${line.text}`, count.toLocaleString()]), list);
}

async function begin() {
  const [show, stats] = await Promise.all([get("/api/show"), get("/api/stats")]);
  const colors = new Map(show.friends.map(({ name, color }) => [name, colorClass(color)]));
  const color = (name) => colors.get(name) ?? "";
  const figures = [turnShares, phraseFlow, linesPerHour, speed, sources, silences, favourites]
    .map((make) => make(stats, color)).filter(Boolean);
  byId("pictures").replaceChildren(...figures);
  byId("told").textContent = figures.length === 0 ? "Nothing has been said yet."
    : stats.people > 0 ? `${counted(stats.people, "line")} came from people.` : "";
}

begin().catch((error) => {
  byId("told").textContent = error.message;
});
