// What is told beside the conversation: who is typing or what the show is about, above the box to
// write in; and answers to what the reader asked for.

import { byId, h } from "./dom.js";

const TYPING_MS = 11_000;
const NOTICE_MS = 12_000;
const SHORT_CHARS = 120;

let timer = 0;

/** Shows a text until the next one or until it is closed; a short one goes by itself. */
export function tell(text) {
  const box = byId("answer");
  clearTimeout(timer);
  box.hidden = !text;
  box.querySelector("p").textContent = text;
  box.querySelector("button").onclick = () => tell("");
  if (text && text.length < SHORT_CHARS) timer = setTimeout(() => tell(""), NOTICE_MS);
}

export class Doing {
  #typing = new Map();
  #doing = "";
  #isRunning = true;

  constructor(people) {
    this.people = people;
    this.place = byId("doing");
  }

  types(friend) {
    clearTimeout(this.#typing.get(friend));
    this.#typing.set(friend, setTimeout(() => this.said(friend), TYPING_MS));
    this.#show();
  }

  said(friend) {
    clearTimeout(this.#typing.get(friend));
    if (this.#typing.delete(friend)) this.#show();
  }

  update({ doing, running }) {
    this.#doing = doing;
    this.#isRunning = running;
    this.#show();
  }

  forget() {
    this.#typing.forEach(clearTimeout);
    this.#typing.clear();
    this.#doing = "";
    this.#show();
  }

  #show() {
    const names = [...this.#typing.keys()];
    const isTyping = names.length > 0;
    const told = isTyping
      ? `${new Intl.ListFormat("en").format(names)} ${names.length > 1 ? "are" : "is"} typing…`
      : this.#isRunning ? this.#doing : "Paused. Nobody speaks until you go on.";
    const dots = isTyping && h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i"));
    this.place.className = isTyping ? this.people.colorOf(names[0]) : "";
    this.place.replaceChildren(...[dots, told].filter(Boolean));
  }
}
