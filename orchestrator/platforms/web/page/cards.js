// Who is on stage: the list of friends with their state, and the card of each.

import { button, byId, colorClass, h, icon } from "./dom.js";
import { get } from "./server.js";
import { shortDate } from "./times.js";
import { factList, section } from "./why.js";

const MEGABYTE = 1e6;
const STYLES = {
  dialogue: "sees the last lines and answers them",
  monologue: "goes on from a phrase",
};

export class Cast {
  #friends = new Map();

  /** `ownName()` is the reader's name. */
  constructor(ownName) {
    this.ownName = ownName;
  }

  set(friends) {
    this.#friends = new Map(friends.map((friend) => [friend.name, friend]));
  }

  get all() {
    return [...this.#friends.values()];
  }

  friend(name) {
    return this.#friends.get(name);
  }

  colorOf(name) {
    return colorClass(this.friend(name)?.color);
  }

  isOwn(line) {
    return line.kind === "person" && line.speaker === this.ownName() && /^web\b/.test(line.stage ?? "");
  }

  /** Takes over who is ready and who is muted. Returns whether anything is new. */
  update(states) {
    let isNew = false;
    for (const { name, state, muted } of states) {
      const friend = this.friend(name);
      if (!friend || (friend.state === state && friend.muted === muted)) continue;
      Object.assign(friend, { state, muted });
      isNew = true;
    }
    return isNew;
  }

  /** Draws the list. `open(name)` shows a card, `mute(friend)` silences, or lets speak again. */
  draw(list, open, mute) {
    const focused = list.contains(document.activeElement) && document.activeElement.dataset.key;
    list.replaceChildren(...this.all.map((friend) => this.#entry(friend, open, mute)));
    if (focused) list.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  #entry(friend, open, mute) {
    const { name, muted } = friend;
    const label = muted ? `Let ${name} speak` : `Mute ${name}`;
    return h("li", { class: `${colorClass(friend.color)} ${muted || friend.state !== "ready" ? "away" : ""}`, "data-name": name },
      h("button", { class: "member", onclick: () => open(name), "data-key": `card ${name}`, title: `Who is ${name}?` },
        h("img", { class: "avatar", src: friend.avatar, alt: "", width: 40, height: 40 }),
        h("span", { class: "name", text: name }),
        h("small", { text: stateOf(friend) }),
      ),
      h("button", { class: "mute", onclick: () => mute(friend), "aria-label": label, title: label, "data-key": `mute ${name}` },
        icon(muted ? "mute" : "speak")),
    );
  }
}

function stateOf(friend) {
  if (friend.muted) return "muted";
  return friend.state === "ready" ? "bot" : friend.state;
}

/** The elements of a friend's card. `actions`: ask(name), mute(friend). */
export async function cardElements(name, actions) {
  const card = await get(`/api/friends/${encodeURIComponent(name)}`);
  const about = card.messages
    ? `A bot that learnt from ${card.messages.toLocaleString()} messages of ${name}.`
    : `A bot that speaks as ${name}.`;
  return [
    h("div", { class: `portrait ${colorClass(card.color)}` },
      h("img", { class: "avatar", src: card.avatar, alt: "", width: 96, height: 96 }),
      h("p", { text: about }),
    ),
    h("p", { class: "buttons" },
      button(`Let ${name} speak`, "speak", () => actions.ask(name)),
      button(card.muted ? "Unmute" : "Mute", "mute", () => actions.mute(card)),
    ),
    card.notices?.length > 0 && section("Good to know", card.notices.map((text) => h("p", { text }))),
    section("Facts", factList(factsOf(card))),
    card.evaluation?.startsWith("/") && h("p", {}, h("a", { href: card.evaluation, text: `Does it sound like ${name}?` })),
  ].filter(Boolean);
}

function factsOf(card) {
  const rounded = (value, unit, digits = 0) => (value === null || value === undefined
    ? null : `${value.toLocaleString(undefined, { maximumFractionDigits: digits })} ${unit}`);
  const since = card.since && card.until ? `${shortDate(card.since)} to ${shortDate(card.until)}` : null;
  return {
    state: card.state === "ready" && card.muted ? "muted" : card.state,
    "also called": card.aliases?.join(", "),
    messages: card.messages?.toLocaleString(),
    tokens: card.tokens?.toLocaleString(),
    written: since,
    chats: card.chats,
    style: STYLES[card.style] ?? card.style,
    "base model": card.base,
    "training step": card.step && card.step.toLocaleString() + (card.in_training ? ", still learning" : ""),
    "bits per byte": rounded(card.bits_per_byte, "", 3),
    speed: rounded(card.tokens_per_second, "tokens a second"),
    memory: rounded(card.memory_bytes && card.memory_bytes / MEGABYTE, "MB"),
    file: rounded(card.size_bytes && card.size_bytes / MEGABYTE, "MB"),
    "usual line": rounded(card.line_length?.median, "letters"),
  };
}

/** Tells a newcomer who is talking. */
export function introduce(show) {
  const names = new Intl.ListFormat("en").format(show.friends.map((friend) => friend.name));
  byId("what").textContent = show.is_demo
    ? `${names} are invented. No person wrote this.`
    : `Clones of ${names}, made from chats. No person wrote this.`;
  byId("hint").hidden = !show.is_demo;
  byId("empty-cast").replaceChildren(...show.friends.map((friend) =>
    h("img", { class: "avatar", src: friend.avatar, alt: friend.name, width: 64, height: 64 })));
}
