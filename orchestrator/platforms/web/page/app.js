// The page of the show: puts its parts together.

import { Announcer } from "./announcer.js";
import { cardElements, Cast, introduce } from "./cards.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { Direct } from "./direct.js";
import { byId, drawIcons, setIcon } from "./dom.js";
import { Keys } from "./keys.js";
import { Panel } from "./panel.js";
import { openSearch } from "./search.js";
import { get, Live } from "./server.js";
import { Doing, tell } from "./telling.js";
import { highlightPhrase, titleOf, whyElements } from "./why.js";

const RETRY_MS = 2000;

const composer = new Composer(null, { send, command: typed, tell });
const cast = new Cast(() => composer.name);
composer.people = cast;
const talk = new Conversation(cast, (count) => {
  document.title = count ? `(${count}) BotConvo` : "BotConvo";
});
const panel = new Panel();
const live = new Live(() => talk.newest, heard, connected);
const direct = new Direct(panel, command, tell);
const doing = new Doing(cast);
const announcer = new Announcer();
let wasUp = false;

const keys = new Keys([
  [["c"], "write", () => done(byId("words").focus())],
  [["ArrowUp", "k"], "the line before", () => done(talk.step(-1))],
  [["ArrowDown", "j"], "the line after", () => done(talk.step(1))],
  [["Enter", "w"], "why was this line said?", onWhyKey],
  [["r"], "answer this line", () => talk.current && done(composer.reply(talk.current))],
  [["e"], "to the newest line", () => done(atEnd())],
  [["/"], "search", () => done(search())],
  [["p"], "pause, or go on", () => done(direct.pause())],
  [["s"], "statistics", () => done(byId("stats").click())],
  [["d"], "dark or light", () => done(changeTheme())],
  [["?"], "this list", () => done(keys.help())],
  [["Escape"], "close what is open", () => (panel.isOpen ? done(panel.close()) : undefined)],
]);

const done = () => true;

/** Calls to the server that the reader did not ask for may fail quietly; these are told. */
const told = (promise) => promise.catch((error) => tell(error.message));

// What the server says.

function heard(message) {
  switch (message.type) {
    case "hello":
      hello(message);
      break;
    case "line":
      if (talk.add(message.line)) announcer.say(message.line, cast.isOwn(message.line));
      doing.said(message.line.speaker);
      break;
    case "typing":
      doing.types(message.friend);
      break;
    case "edit":
      talk.change(message.line);
      break;
    case "unsay":
      talk.unsay(message.id);
      break;
    case "state":
      update(message.state);
      break;
    case "notice":
    case "error":
    case "answer":
      tell(message.text);
      break;
  }
}

async function hello({ state }) {
  update(state);
  live.tell({ type: "visible", visible: !document.hidden });
  // Who is there may be otherwise after a break.
  if (wasUp) await told(showFriends());
  wasUp = true;
  // What was changed since the lines were read, no greeting tells.
  await told(talk.catchUp());
}

function connected(isUp) {
  byId("banner").textContent = isUp ? "" : "No connection to the show. This page goes on by itself once it is back.";
  document.body.classList.toggle("away", !isUp);
  if (!isUp) doing.forget();
}

function update(state) {
  direct.update(state);
  doing.update(state);
  if (cast.update(state.friends)) drawCast();
}

// What the reader does.

async function send({ author, text, replyTo, key }) {
  await asked({ type: "say", author, text, reply_to: replyTo, key });
  tell("");
  await talk.toEnd();
}

async function typed({ author, name, argument, line, key }) {
  if (name === "why" && (line || /^#?\d*$/.test(argument))) {
    const wanted = line ?? (Number(argument.replace("#", "")) || talk.lastOf("friend")?.id);
    if (wanted) return why(wanted);
  }
  tell((await asked({ type: "command", author, name, argument, line, key })).text);
}

async function command(name, argument, line = null) {
  return asked({ type: "command", author: composer.name, name, argument, line });
}

async function asked(message) {
  const answer = await live.ask(message);
  if (!answer.ok) throw new Error(answer.text || "That did not work.");
  return answer;
}

function why(id) {
  let unmark = () => {};
  const load = async () => {
    const found = await get(`/api/lines/${id}/why`);
    panel.title.textContent = titleOf(found.line);
    unmark = highlightPhrase(found);
    return whyElements(found, cast, lineActions);
  };
  talk.mark(id);
  return panel.load(`why ${id}`, "Why?", load(), () => unmark());
}

const lineActions = {
  again: (line) => told(changed("again", line)),
  oops: (line) => told(changed("oops", line)),
  reply(line) {
    if (!panel.isBeside) panel.close();
    composer.reply(line);
  },
  link(line) {
    const link = new URL(`/#line-${line.id}`, location.href).href;
    // Without https there is no clipboard elsewhere than on this machine.
    const copied = navigator.clipboard?.writeText(link) ?? Promise.reject();
    copied.then(() => tell("The link is copied."), () => tell(link));
  },
  jump: (line) => jump(line.id),
};

async function changed(name, line) {
  tell((await command(name, "", line.id)).text);
  if (panel.shown !== `why ${line.id}`) return;
  if (name === "oops") panel.close();
  else await why(line.id);
}

function jump(id) {
  if (!panel.isBeside) panel.close();
  history.replaceState(null, "", `#line-${id}`);
  return told(talk.jump(id));
}

function card(name) {
  const actions = {
    ask: (friend) => told(command("ask", friend)),
    mute: (friend) => mute(friend).then(() => panel.shown === `card ${name}` && card(name)),
  };
  return panel.load(`card ${name}`, name, cardElements(name, actions));
}

function mute(friend) {
  return told(command(friend.muted ? "unmute" : "mute", friend.name));
}

function search() {
  openSearch(panel, cast, (line) => jump(line.id));
}

function atEnd() {
  history.replaceState(null, "", location.pathname);
  return told(talk.toEnd());
}

function changeTheme() {
  globalThis.theme.change();
  setIcon(byId("theme"), globalThis.theme.isDark() ? "sun" : "moon");
}

function onWhyKey(event) {
  const isOnLine = event.target.matches(".line") || (event.key === "w" && talk.current);
  const line = isOnLine && talk.current;
  return line && line.kind !== "notice" && !line.unsaid ? done(why(line.id)) : undefined;
}

function onListClick(event) {
  const line = event.target.closest(".line");
  if (line === null || !getSelection().isCollapsed) return;
  const id = Number(line.id.slice("line-".length));
  const action = event.target.closest("button")?.dataset.do;
  const answered = event.target.closest("a.answers");
  if (answered) {
    event.preventDefault();
    jump(Number(answered.hash.slice("#line-".length)));
  } else if (action === "reply") {
    composer.reply(talk.find(id));
  } else if (!line.matches(".notice") && !talk.find(id).unsaid) {
    why(id);
  }
}

function linked() {
  const found = /^#line-(\d+)$/.exec(location.hash);
  return found && Number(found[1]);
}

// The beginning.

function drawCast() {
  cast.draw(byId("cast"), card, mute);
}

async function showFriends() {
  const show = await get("/api/show");
  cast.set(show.friends);
  drawCast();
  introduce(show);
  composer.commands = show.commands;
  composer.limit(show.limits);
  keys.help(show.commands);
}

function prepare() {
  drawIcons();
  setIcon(byId("theme"), globalThis.theme.isDark() ? "sun" : "moon");
  byId("theme").onclick = changeTheme;
  byId("find").onclick = search;
  byId("newest").onclick = atEnd;
  byId("lines").onclick = onListClick;
  byId("lines").addEventListener("focusin", (event) => {
    const line = event.target.closest(".line");
    if (line) talk.mark(Number(line.id.slice("line-".length)));
  });
  document.addEventListener("visibilitychange", () => live.tell({ type: "visible", visible: !document.hidden }));
  addEventListener("hashchange", () => linked() && jump(linked()));
  composer.onname = () => talk.redraw();
}

async function begin() {
  await showFriends();
  // Even where one line is wanted, the newest is known from here on.
  await talk.showEnd();
  if (linked()) await jump(linked());
  live.open();
}

/** A page that is opened before the show is up tries until it is. */
async function beginInTime() {
  try {
    await begin();
  } catch (error) {
    byId("banner").textContent = error.message;
    setTimeout(beginInTime, RETRY_MS);
  }
}

prepare();
beginInTime();
