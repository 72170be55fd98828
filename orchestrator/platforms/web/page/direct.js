// Pause, pace and topic: what people may do to the show as a whole.

import { byId, setIcon } from "./dom.js";

const PACES = [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 4, 10];
const ROOMY = matchMedia("(min-width: 48rem)");

/** `command(name, argument)` does it and throws an Error otherwise; `tell` shows its message. */
export class Direct {
  #isRunning = true;
  #isMoving = false;

  constructor(panel, command, tell) {
    this.panel = panel;
    this.run = (name, argument) => command(name, argument).catch((error) => tell(error.message));
    this.section = byId("direct");
    byId("pause").onclick = () => this.pause();
    byId("directing").onclick = () => panel.show("direct", "Direct the show", [this.section], () => this.#home());
    const pace = byId("pace");
    pace.max = String(PACES.length - 1);
    pace.oninput = () => {
      this.#isMoving = true;
      this.#tellPace(PACES[pace.value]);
    };
    pace.onchange = () => {
      this.#isMoving = false;
      this.run("pace", String(PACES[pace.value]));
    };
    byId("topic-form").onsubmit = (event) => {
      event.preventDefault();
      this.#topic();
    };
    byId("topic-off").onclick = () => this.run("topic", "off");
    ROOMY.addEventListener("change", () => ROOMY.matches && panel.shown === "direct" && panel.close());
  }

  pause() {
    return this.run(this.#isRunning ? "pause" : "resume", "");
  }

  /** Shows how the show is. */
  update(state) {
    this.#isRunning = state.running;
    const button = byId("pause");
    button.querySelector(".word").textContent = state.running ? "Pause" : "Go on";
    setIcon(button, state.running ? "pause" : "play");
    const pace = byId("pace");
    if (!this.#isMoving) {
      const distance = (value) => Math.abs(Math.log(PACES[value] / state.pace));
      pace.value = String(PACES.map((_, at) => at).reduce((best, at) => (distance(at) < distance(best) ? at : best)));
      this.#tellPace(state.pace);
    }
    byId("topic-now").hidden = !state.topic;
    byId("topic-now").querySelector("span").textContent = `They talk about: ${state.topic}`;
    const waiting = state.waiting ? `, ${state.waiting} of people's lines wait for an answer` : "";
    byId("figures").textContent = `${Math.round(10 * state.lines_per_minute) / 10} lines a minute${waiting}`;
  }

  #tellPace(pace) {
    const told = pace === 1 ? "as usual" : `${Math.round(pace * 100) / 100} times as fast`;
    byId("pace-told").textContent = told;
    byId("pace").setAttribute("aria-valuetext", told);
  }

  async #topic() {
    const topic = byId("topic").value.trim();
    if (!topic) return byId("topic").focus();
    await this.run("topic", `${topic} for ${byId("topic-lines").value} lines`);
    byId("topic").value = "";
  }

  #home() {
    byId("direct-here").append(this.section);
  }
}
