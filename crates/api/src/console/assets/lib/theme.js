// Light, dark, or as the system has it. The choice is kept in this browser.

const KEY = "hiraeth-theme";
const ORDER = ["auto", "light", "dark"];

function kept() {
  try {
    return ORDER.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : "auto";
  } catch {
    return "auto"; // Storage may be forbidden.
  }
}

export const theme = {
  now: kept(),

  apply() {
    if (this.now === "auto") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.setAttribute("data-theme", this.now);
  },

  next() {
    this.now = ORDER[(ORDER.indexOf(this.now) + 1) % ORDER.length];
    try {
      localStorage.setItem(KEY, this.now);
    } catch {
      // For this page only, then.
    }
    this.apply();
  },
};
