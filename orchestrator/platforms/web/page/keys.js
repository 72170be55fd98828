// Single keys, and the dialog that tells of them. They rest while somebody writes, and can be
// switched off, as voices that are turned into keys would set them off.

import { byId, h, remember, remembered } from "./dom.js";

const ON_KEY = "botconvo-keys";
const WRITING = "input:not([type=range], [type=checkbox]), textarea, select, [contenteditable]";

/** `actions` are [keys, what they do, function]; keys as `event.key` has them. */
export class Keys {
  constructor(actions) {
    this.dialog = byId("help");
    this.isOn = remembered(ON_KEY, "on") === "on";
    this.actions = new Map(actions.flatMap(([keys, , act]) => keys.map((key) => [key, act])));
    byId("shortcuts").append(...actions.flatMap(([keys, does]) => [
      h("dt", {}, keys.map((key) => h("kbd", { text: NAMES[key] ?? key }))), h("dd", { text: does }),
    ]));
    const box = byId("keys-on");
    box.checked = this.isOn;
    box.onchange = () => {
      this.isOn = box.checked;
      remember(ON_KEY, this.isOn ? "on" : "off");
    };
    byId("keys").onclick = () => this.help();
    this.dialog.querySelector(".titlebar button").onclick = () => this.dialog.close();
    this.dialog.onclick = (event) => {
      if (event.target === this.dialog) this.dialog.close();
    };
    addEventListener("keydown", (event) => this.#pressed(event));
  }

  help(commands) {
    if (commands) {
      byId("commands").replaceChildren(...commands.flatMap(({ usage, help }) => [
        h("dt", {}, h("kbd", { text: usage })), h("dd", { text: help }),
      ]));
    } else if (!this.dialog.open) {
      this.dialog.showModal();
    }
  }

  #pressed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    const isSingle = event.key.length === 1;
    if (isSingle && (!this.isOn || event.target.matches?.(WRITING))) return;
    if (!isSingle && event.key !== "Escape" && !event.target.closest?.("#scroller")) return;
    if (this.dialog.open) return;
    if (this.actions.get(event.key)?.(event) !== undefined) event.preventDefault();
  }
}

const NAMES = { ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc" };
