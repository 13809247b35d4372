"""The one script of pages that say how things stand: the reader's own time, what has passed, and asking again.

It is the same in all languages, since a policy knows it by its digest; its words stand in the page. Whoever waits
for an application hears on the session page's WebSocket that it is there, or asks again where that is refused.
"""

from __future__ import annotations

SCRIPT = """\
"use strict";
const root = document.documentElement, main = document.querySelector("main");
const words = JSON.parse(main.dataset.words);
const locale = [...navigator.languages.filter(one => one.split("-")[0] === root.lang), root.lang];
const put = (text, values) => text.replace(/\\{(\\w+)\\}/g, (_, name) => values[name]);
for (const place of document.querySelectorAll("time")) {
  const at = new Date(place.dateTime), time = at.toLocaleTimeString(locale);
  place.title = place.textContent;
  place.textContent = at.toDateString() === new Date().toDateString() ? time
    : put(words.moment, {time, date: at.toLocaleDateString(locale, {dateStyle: "long"})});
}
const passed = document.getElementById("passed");
if (passed) {
  const before = Number(passed.dataset.seconds), loaded = performance.now();
  setInterval(() => {
    const all = Math.floor(before + (performance.now() - loaded) / 1000);
    const [minutes, seconds] = [Math.floor(all / 60), all % 60];
    passed.textContent = put(minutes ? words.minutes : words.seconds, {minutes, seconds});
  }, 1000);
}
const again = () => {
  const here = location.href;
  // To the same address with a fragment, nothing would be asked for.
  if (location.hash) history.replaceState(null, "", "/_conductor");
  location.replace(here);
};
const later = () => setTimeout(again, Number(main.dataset.reload) * 1000);
const watch = () => {
  const socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/_conductor/live");
  socket.addEventListener("close", later);
  socket.addEventListener("message", event => {
    const told = JSON.parse(event.data).session;
    if (told && told.state !== main.dataset.watch) again();
    const output = document.getElementById("output");
    if (told && output && told.output && told.output.length) {
      const text = told.output.join("\\n");
      if (output.textContent !== text) {
        output.textContent = text;
        output.scrollTop = output.scrollHeight;
      }
    }
  });
};
if (main.dataset.watch) watch(); else if (main.dataset.reload) later();
"""
