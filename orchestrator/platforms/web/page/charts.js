// Pictures as SVG. Knows nothing of the show: names, numbers and classes of colours come in. Each
// is 600 units wide; who draws one gives it a label, since a table stands beside it.

import { s } from "./dom.js";

const WIDTH = 600;
const LABEL = 150;
const FIGURE = 72;
const ROW = 34;
const MOST_LABEL_CHARS = 30;

const svg = (height, ...children) => s("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", class: "chart" }, ...children);

const text = (x, y, value, attributes = {}) => s("text", { x, y, ...attributes, text: value });

const titled = (name, attributes, title) => s(name, attributes, s("title", { text: title }));

function label(name, y, color, end = LABEL) {
  const short = name.length > MOST_LABEL_CHARS ? `${name.slice(0, MOST_LABEL_CHARS - 1)}…` : name;
  return s("text", { x: end - 10, y, class: `end ${color ?? ""}` }, s("title", { text: name }), short);
}

/** [{name, value, color}] as bars with their numbers; there is room for long names. */
export function bars(rows) {
  const most = Math.max(1, ...rows.map(({ value }) => value));
  const left = 1.6 * LABEL;
  const room = WIDTH - left - FIGURE;
  return svg(rows.length * ROW, rows.map(({ name, value, color }, at) => [
    label(name, at * ROW + 22, color, left),
    s("rect", { x: left, y: at * ROW + 7, width: (room * value) / most, height: 20, rx: 6, class: `bar ${color ?? ""}` }),
    text(left + (room * value) / most + 8, at * ROW + 22, value.toLocaleString()),
  ]).flat());
}

/** [{name, value, other, color}], shares of 1: a full bar, and a pale one below it. */
export function pairs(rows) {
  const most = Math.max(0.01, ...rows.flatMap(({ value, other }) => [value ?? 0, other ?? 0]));
  const room = WIDTH - LABEL - FIGURE;
  const height = ROW + 10;
  const bar = (at, value, y, kind, color) => s("rect", {
    x: LABEL, y: at * height + y, width: (room * (value ?? 0)) / most, height: 15, rx: 5, class: `bar ${kind} ${color}`,
  });
  return svg(rows.length * height, rows.map(({ name, value, other, color }, at) => [
    label(name, at * height + 25, color),
    bar(at, value, 4, "", color), bar(at, other, 21, "pale", color),
    text(LABEL + (room * (value ?? 0)) / most + 8, at * height + 18, `${Math.round(100 * (value ?? 0))} %`),
  ]).flat());
}

/** [{value, label}] as columns beside each other, the first and last with their labels. */
export function columns(rows) {
  const height = 180;
  const most = Math.max(1, ...rows.map(({ value }) => value));
  const step = (WIDTH - 40) / Math.max(rows.length, 12);
  const tall = (value) => ((height - 50) * value) / most;
  return svg(height,
    s("line", { x1: 0, x2: WIDTH, y1: height - 25, y2: height - 25, class: "axis" }),
    rows.map(({ value, label: name }, at) => titled("rect", {
      x: at * step + step * 0.1, y: height - 25 - tall(value), width: step * 0.8, height: tall(value), rx: Math.min(4, step / 4), class: "bar",
    }, `${name}: ${value}`)),
    text(0, 16, `most: ${most.toLocaleString()}`, { class: "quiet" }),
    text(0, height - 6, rows[0]?.label ?? "", { class: "quiet" }),
    rows.length > 6 && text(rows.length * step, height - 6, rows.at(-1).label, { class: "end quiet" }),
  );
}

/** [{name, from, to, color}] as lines between two values on a logarithmic scale. */
export function spans(rows, told) {
  const values = rows.flatMap(({ from, to }) => [from, to]).filter((value) => value > 0);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const room = WIDTH - LABEL - 2 * FIGURE;
  const place = (value) => LABEL + FIGURE + (most > least && value > 0 ? (room * Math.log(value / least)) / Math.log(most / least) : 0) * 0.9;
  return svg(rows.length * ROW, rows.map(({ name, from, to, color }, at) => {
    const y = at * ROW + 17;
    return [
      label(name, y + 5, color),
      s("line", { x1: place(from), x2: place(to), y1: y, y2: y, class: `span ${color}` }),
      s("circle", { cx: place(from), cy: y, r: 7, class: `bar ${color}` }),
      text(place(from) - 12, y + 5, told(from), { class: "end quiet" }),
      text(place(to) + 10, y + 5, told(to), { class: "quiet" }),
    ];
  }).flat());
}

/** [{from, to, count}] as arcs between names on a line: above to the right, below to the left. */
export function arcs(flows, color) {
  const names = [...new Set(flows.flatMap(({ from, to }) => [from, to]))];
  const step = WIDTH / Math.max(names.length, 1);
  const x = (name) => step * (names.indexOf(name) + 0.5);
  const most = Math.max(1, ...flows.map(({ count }) => count));
  const half = Math.max(60, Math.min(150, (step * (names.length - 1)) / 2)) + 22;
  const middle = half;
  const path = ({ from, to }) => {
    const above = x(to) > x(from);
    if (from === to) return `M${x(from) - 8} ${middle - 14}a22 24 0 1 1 16 0`;
    const side = above ? -14 : 14;
    const radius = Math.abs(x(to) - x(from)) / 2;
    return `M${x(from)} ${middle + side}A${radius} ${Math.min(radius, half - 22)} 0 0 1 ${x(to)} ${middle + side}`;
  };
  return svg(2 * half,
    flows.map((flow) => titled("path", {
      d: path(flow), class: `flow ${color(flow.from)}`, "stroke-width": 2 + (10 * flow.count) / most,
    }, `${flow.from} to ${flow.to}: ${flow.count}`)),
    names.map((name) => text(x(name), middle + 5, name, { class: `middle name ${color(name)}` })),
  );
}
