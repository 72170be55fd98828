// Tells new lines to screen readers, with restraint: several at once rather than each by itself,
// none of the reader's own, and none while the page is hidden or the reader switched it off.

import { byId, remember, remembered } from "./dom.js";

const ON_KEY = "botconvo-announce";
const PAUSE_MS = 4000;
const MOST_AT_ONCE = 3;

export class Announcer {
  #waiting = [];
  #timer = 0;

  constructor() {
    const box = byId("announce-on");
    box.checked = remembered(ON_KEY, "on") === "on";
    box.onchange = () => remember(ON_KEY, box.checked ? "on" : "off");
    this.box = box;
  }

  say(line, isOwn) {
    if (isOwn || line.kind === "notice" || !this.box.checked || document.hidden) return;
    this.#waiting.push(`${line.speaker}: ${line.text}`);
    if (!this.#timer) this.#tell();
  }

  #tell() {
    const more = this.#waiting.length - MOST_AT_ONCE;
    const told = this.#waiting.slice(-MOST_AT_ONCE).join(". ");
    byId("announcer").textContent = more > 0 ? `${more} lines more, then ${told}` : told;
    this.#waiting = [];
    // What comes meanwhile is told together.
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      if (this.#waiting.length) this.#tell();
    }, PAUSE_MS);
  }
}
