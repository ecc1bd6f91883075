// What the browser does by itself: the theme, local times, keys, notices, dialogs. Loaded before anything is painted.
(() => {
  "use strict";
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const THEMES = ["system", "light", "dark"];

  const remembered = () => {
    try { return localStorage.getItem("theme") || "system"; } catch { return "system"; }
  };
  const paint = () => {
    const chosen = remembered();
    root.dataset.theme = chosen === "system" ? (dark.matches ? "dark" : "light") : chosen;
    root.dataset.chosenTheme = chosen;
  };
  const nextTheme = () => {
    const next = THEMES[(THEMES.indexOf(remembered()) + 1) % THEMES.length];
    try { localStorage.setItem("theme", next); } catch { /* not remembered, then */ }
    paint();
    say({ tone: "good", text: `Theme: ${next}`, code: "", places: [] });
  };
  paint();
  dark.addEventListener("change", paint);

  const two = (number) => String(number).padStart(2, "0");
  const MONTHS = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
  class LocalTime extends HTMLElement {
    connectedCallback() {
      const at = new Date(this.getAttribute("at"));
      if (Number.isNaN(at.getTime())) return;
      const now = new Date();
      const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
      const year = at.getFullYear() === now.getFullYear() ? "" : ` ${at.getFullYear()}`;
      const day = at.toDateString() === now.toDateString() ? "" : `${MONTHS.format(at)}${year} `;
      const time = document.createElement("time");
      time.dateTime = this.getAttribute("at");
      time.textContent = day + clock;
      this.title = `${this.getAttribute("at").replace("T", " ").replace("Z", "")} UTC`;
      this.replaceChildren(time);
    }
  }
  customElements.define("local-time", LocalTime);

  const inWords = (ms) => {
    if (ms < 1e3) return `${Math.round(ms)} ms`;
    if (ms < 1e4) return `${(ms / 1e3).toFixed(1)} s`;
    if (ms < 6e4) return `${Math.round(ms / 1e3)} s`;
    const s = Math.floor(ms / 1e3), m = Math.floor(s / 60), h = Math.floor(m / 60), d = Math.floor(h / 24);
    const pair = (a, x, b, y) => (b ? `${a} ${x} ${b} ${y}` : `${a} ${x}`);
    if (m < 60) return pair(m, "min", s % 60, "s");
    return h < 24 ? pair(h, "h", m % 60, "min") : pair(d, "d", h % 24, "h");
  };
  class LiveDuration extends HTMLElement {
    connectedCallback() {
      const began = performance.now() - Number(this.getAttribute("ms"));
      const show = () => { this.textContent = inWords(performance.now() - began); };
      show();
      this.timer = setInterval(show, 1000);
    }
    disconnectedCallback() { clearInterval(this.timer); }
  }
  customElements.define("live-duration", LiveDuration);

  const element = (name, text, className) => {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  let region = null;
  let home = null;
  const say = ({ tone, text, code, places }) => {
    region = region || document.getElementById("notices");
    if (!region) return;
    home = home || region.parentNode;
    const asking = document.querySelector("dialog[open]");
    if (asking) asking.append(region); // behind a dialog nobody sees or hears it
    const same = [...region.children].find((one) => one.dataset.text === text);
    if (same) same.remove();
    const box = element("div", "", `notice ${tone}`);
    box.dataset.text = text;
    if (tone === "bad") box.setAttribute("role", "alert");
    const line = element("p", text);
    if (code) line.append(" ", element("code", code));
    const close = element("button", "Close", "plain");
    close.type = "button";
    close.addEventListener("click", () => box.remove());
    box.append(line, close);
    if (places.length) {
      const list = element("ul");
      places.forEach((place) => list.append(element("li", place)));
      box.append(list);
    }
    region.append(box);
    if (tone !== "bad") setTimeout(() => box.remove(), 6000);
  };

  let opener = null;
  const open = (id, tries = 40) => {
    const dialog = document.getElementById(id);
    if (!dialog) {
      if (tries) setTimeout(open, 25, id, tries - 1);
      return;
    }
    opener = document.activeElement;
    dialog.addEventListener("close", () => {
      if (home) home.append(region);
      if (opener) opener.focus();
    });
    dialog.showModal();
    const first = dialog.querySelector("input:not([type=hidden]), select, textarea, button");
    if (first) first.focus();
  };

  const close = (id) => {
    const dialog = document.getElementById(id);
    if (dialog) dialog.close();
  };

  const showKeys = () => {
    const links = [...document.querySelectorAll("[data-keys]")];
    const rows = [["/", "Search"], ["t", "Change the theme"], ["?", "These keys"]]
      .concat(links.map((link) => [link.dataset.keys, link.textContent]));
    const dialog = element("dialog");
    dialog.setAttribute("aria-label", "Keyboard shortcuts");
    const list = element("dl", "", "pairs");
    rows.forEach(([keys, what]) => {
      const name = element("dt");
      keys.split(" ").forEach((key) => name.append(element("kbd", key), " "));
      const row = element("div");
      row.append(name, element("dd", what));
      list.append(row);
    });
    const form = element("form");
    form.method = "dialog";
    const actions = element("div", "", "actions");
    actions.append(element("button", "Close"));
    form.append(element("h2", "Keys"), list, actions);
    dialog.append(form);
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  };

  let before = "";
  let forget = 0;
  const writing = (target) => target.isContentEditable || target.matches("input:not([type=checkbox]), select, textarea");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || writing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const search = document.querySelector("[data-search]");
    clearTimeout(forget);
    const pressed = before ? `${before} ${event.key}` : event.key;
    const link = [...document.querySelectorAll("[data-keys]")].find((one) => one.dataset.keys === pressed);
    before = "";
    if (link) link.click();
    else if (event.key === "/" && search) { search.focus(); search.select(); event.preventDefault(); }
    else if (event.key === "?") showKeys();
    else if (event.key === "t") nextTheme();
    else { before = event.key; forget = setTimeout(() => { before = ""; }, 1000); }
  });

  document.addEventListener("click", (event) => {
    const within = (selector) => event.target.closest && event.target.closest(selector);
    if (within("[data-theme-button]")) nextTheme();
    else if (within("[data-keys-button]")) showKeys();
    else if (within("[data-close]")) {
      const dialog = event.target.closest("dialog");
      dialog.dispatchEvent(new Event("cancel"));
      dialog.close();
    } else if (within("a.skip")) {
      const main = document.getElementById("main");
      if (main) main.focus();
    }
  });

  // selects of a filter send it at once
  document.addEventListener("change", (event) => {
    const form = event.target.closest && event.target.closest("form[data-filters]");
    if (form && event.target.matches("select")) form.requestSubmit();
  });
  // and what is empty does not get into the address
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-filters]")) return;
    event.target.querySelectorAll("input, select").forEach((one) => { if (!one.value) one.disabled = true; });
  });

  // what was unfolded stays so when its content is renewed
  const unfolded = new Set();
  document.addEventListener("toggle", (event) => {
    const { target } = event;
    if (target.tagName !== "DETAILS" || !target.id || !target.isConnected) return;
    if (target.open) unfolded.add(target.id);
    else unfolded.delete(target.id);
  }, true);
  const unfold = (node) => {
    if (node.nodeType !== 1) return;
    const found = node.matches("details[id]") ? [node] : node.querySelectorAll("details[id]");
    found.forEach((one) => { if (unfolded.has(one.id)) one.open = true; });
  };
  const show = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    if (target.matches("details")) target.open = true;
    target.scrollIntoView({ block: "center" });
  };
  window.addEventListener("hashchange", show);
  document.addEventListener("DOMContentLoaded", () => {
    const here = document.querySelector('nav [aria-current="page"]');
    if (here) here.scrollIntoView({ block: "nearest", inline: "center" });
    new MutationObserver((changes) => changes.forEach((one) => one.addedNodes.forEach(unfold)))
      .observe(document.body, { childList: true, subtree: true });
  });

  // and what is unfolded for the first time comes from the server
  const fill = (id, html) => {
    const details = document.getElementById(id);
    if (details && details.childElementCount === 1) details.insertAdjacentHTML("beforeend", html);
  };

  window.orchestrator = { say, open, close, fill };
})();
