// The box to write in: what is typed becomes a line or a command. Lines are single, so Enter sends
// and there is no other kind of Enter; line ends that are pasted become spaces.

import { byId, h, remember, remembered } from "./dom.js";
import { shortened } from "./line.js";

const NAME_KEY = "botconvo-name";
const DEFAULT_NAME = "You";
const MOST_COMPLETIONS = 8;
const TAKES_A_FRIEND = new Set(["mute", "unmute", "ask"]);

export class Composer {
  #replyTo = null;
  /** Sent along, so that what is sent again for want of an answer is not said twice. */
  #key = null;
  #options = [];
  #chosen = 0;

  /** `people` knows the friends; `send({author, text, replyTo, key})` and
   *  `command({author, name, argument, line, key})` do it, and throw what is to be told to `tell`. */
  constructor(people, { send, command, tell }) {
    Object.assign(this, { people, send, command, tell, commands: [] });
    this.form = byId("composer");
    this.words = byId("words");
    this.list = byId("completions");
    this.form.onsubmit = (event) => {
      event.preventDefault();
      this.#submit();
    };
    this.words.oninput = () => {
      this.#key = null;
      this.#complete();
    };
    this.words.onkeydown = (event) => this.#pressed(event);
    this.words.onblur = () => this.#offer([]);
    this.words.onfocus = () => {
      if (remembered(NAME_KEY, null) === null) byId("naming").hidden = false;
    };
    byId("replying").querySelector("button").onclick = () => this.reply(null);
    this.#naming();
  }

  get name() {
    return byId("name").value.trim() || DEFAULT_NAME;
  }

  limit({ text, name }) {
    this.words.maxLength = text;
    byId("name").maxLength = name;
  }

  /** What is written next answers this line; null ends that. */
  reply(line) {
    this.#replyTo = line;
    const chip = byId("replying");
    chip.hidden = line === null;
    chip.querySelector("span").textContent = line ? `Answering ${line.speaker}: ${shortened(line)}` : "";
    this.words.focus();
  }

  #naming() {
    const field = byId("name");
    const who = byId("who");
    const show = () => {
      who.textContent = this.name;
      who.setAttribute("aria-label", `You are called ${this.name}; change that`);
    };
    field.value = remembered(NAME_KEY, DEFAULT_NAME);
    field.oninput = show;
    field.onchange = () => {
      remember(NAME_KEY, this.name);
      this.onname?.();
    };
    field.onkeydown = (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      byId("naming").hidden = true;
      remember(NAME_KEY, this.name);
      this.words.focus();
    };
    who.onclick = () => {
      byId("naming").hidden = !byId("naming").hidden;
      if (!byId("naming").hidden) field.select();
    };
    show();
  }

  async #submit() {
    const text = this.words.value.trim();
    if (!text || this.form.ariaBusy === "true") return;
    remember(NAME_KEY, this.name);
    byId("naming").hidden = true;
    this.#offer([]);
    this.form.ariaBusy = "true";
    try {
      await this.#say(text);
      // What was typed while the answer was on its way stays.
      if (this.words.value.trim() === text) this.words.value = "";
      this.#key = null;
      this.reply(null);
    } catch (error) {
      this.tell(error.message);
    } finally {
      this.form.ariaBusy = "false";
    }
  }

  #say(text) {
    const line = this.#replyTo?.id ?? null;
    this.#key ??= Math.random().toString(36).slice(2);
    const author = this.name;
    const key = this.#key;
    if (!text.startsWith("/")) return this.send({ author, text, replyTo: line, key });
    const [name, ...rest] = text.slice(1).split(/\s+/);
    return this.command({ author, name: name.toLowerCase(), argument: rest.join(" "), line, key });
  }

  #pressed(event) {
    const isOffered = this.#options.length > 0;
    if (event.key === "Escape" && (isOffered || this.#replyTo)) {
      event.stopPropagation();
      if (isOffered) this.#offer([]);
      else this.reply(null);
    } else if (isOffered && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      const count = this.#options.length;
      this.#choose((this.#chosen + (event.key === "ArrowDown" ? 1 : count - 1)) % count);
    } else if (isOffered && (event.key === "Enter" || event.key === "Tab") && !this.#isWhole()) {
      event.preventDefault();
      this.#take(this.#options[this.#chosen]);
    }
  }

  /** Whether the text is the option already, so that Enter means to send it. */
  #isWhole() {
    return this.words.value.slice(0, this.words.selectionStart).endsWith(this.#options[this.#chosen].text.trim());
  }

  #complete() {
    const before = this.words.value.slice(0, this.words.selectionStart);
    this.#offer([...this.#commandsFor(before), ...this.#friendsFor(before)].slice(0, MOST_COMPLETIONS));
  }

  #commandsFor(before) {
    const begun = /^\/(\w*)$/.exec(before);
    if (!begun) return [];
    return this.commands.filter(({ name }) => name.startsWith(begun[1].toLowerCase())).map(({ name, help, usage }) => ({
      from: 0, text: `/${name} `, label: usage, help,
    }));
  }

  #friendsFor(before) {
    const [, command, argument] = /^\/(\w+) (\S*)$/.exec(before) ?? [];
    const begun = TAKES_A_FRIEND.has(command) ? argument : /(?:^|\s)@(\S*)$/.exec(before)?.[1];
    if (begun === undefined) return [];
    const from = before.length - begun.length - (command ? 0 : 1);
    const low = begun.toLowerCase();
    return this.people.all
      .filter(({ name, aliases }) => [name, ...(aliases ?? [])].some((called) => called.toLowerCase().startsWith(low)))
      .map(({ name }) => ({ from, text: from === 0 ? `${name}, ` : `${name} `, label: name, help: "" }));
  }

  #offer(options) {
    this.#options = options;
    this.list.hidden = options.length === 0;
    this.words.setAttribute("aria-expanded", String(options.length > 0));
    this.list.replaceChildren(...options.map((option, number) => h("li", {
      role: "option", id: `completion-${number}`,
      // Before the field loses the focus, and with it the list.
      onmousedown: (event) => {
        event.preventDefault();
        this.#take(option);
      },
    }, h("b", { text: option.label }), h("small", { text: option.help }))));
    if (options.length > 0) this.#choose(0);
    else this.words.removeAttribute("aria-activedescendant");
  }

  #choose(number) {
    this.#chosen = number;
    [...this.list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === number)));
    this.list.children[number].scrollIntoView({ block: "nearest" });
    this.words.setAttribute("aria-activedescendant", `completion-${number}`);
  }

  #take({ from, text }) {
    this.words.setRangeText(text, from, this.words.selectionStart, "end");
    this.#complete();
  }
}
