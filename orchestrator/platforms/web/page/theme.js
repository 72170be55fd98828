// Dark or light: as the machine says, until the reader chooses. Runs before anything is drawn, so
// that no page flashes white at night; therefore no module.
"use strict";

(() => {
  const KEY = "botconvo-theme";
  const root = document.documentElement;
  const machine = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (machine.matches ? "dark" : "light")) === "dark";

  let chosen = null;
  try {
    chosen = localStorage.getItem(KEY);
  } catch {
    // A browser that keeps nothing: the choice lasts as long as the page.
  }
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;

  globalThis.theme = {
    isDark,
    /** The other one, from now on. */
    change() {
      root.dataset.theme = isDark() ? "light" : "dark";
      try {
        localStorage.setItem(KEY, root.dataset.theme);
      } catch {
        // See above.
      }
    },
  };
})();
