"""The script of the session's page: it shows what it is told, and sends what the owner wants.

It is the same in all languages, since the page's policy knows it by its digest; its words stand in the page.
"""

from __future__ import annotations

SESSION_SCRIPT = """\
"use strict";
const {session: words, events} = JSON.parse(document.querySelector("main").dataset.words);
const lang = document.documentElement.lang;
const locale = [...navigator.languages.filter(one => one.split("-")[0] === lang), lang];
const find = id => document.getElementById(id);
const fill = (text, values) => text.replace(/\\{(\\w+)\\}/g, (_, name) => values[name]);
const at = seconds => new Date(seconds * 1000).toLocaleString(locale, {dateStyle: "medium", timeStyle: "short"});
const number = (value, digits) => value.toLocaleString(locale,
  {minimumFractionDigits: digits, maximumFractionDigits: digits});
const size = bytes => {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) { bytes /= 1000; unit += 1; }
  return number(bytes, unit ? 1 : 0) + " " + units[unit];
};
const left = seconds => {
  const all = Math.max(0, Math.round(seconds / 60)), hours = Math.floor(all / 60), minutes = all % 60;
  return fill(hours ? words.hours_minutes : words.minutes, {hours, minutes});
};
const connections = count => count === 1 ? words.one_connection
  : fill(words.some_connections, {count: number(count, 0)});
const happened = text => {
  const end = text.indexOf(": "), head = end < 0 ? text : text.slice(0, end);
  return (events[head] || head) + text.slice(head.length);
};
const name_share = share => share.with || share.label || fill(words.nameless, {id: share.id});
const describe = (person, shares) => {
  const share = shares.find(one => one.id === person.by);
  const by = person.by === "owner" ? words.by_owner : share ? name_share(share) : words.by_former;
  const who = person.identity && person.identity !== by ? person.identity + " (" + by + ")" : by;
  const place = {who, address: person.address, time: at(person.since)};
  return fill(person.address ? words.there_from : words.there, place);
};
let socket = null;
let proof = document.querySelector("meta[name=proof]").content;
const tell = message => socket.send(JSON.stringify(message));
const put = (id, text) => { const place = find(id); if (place.textContent !== text) place.textContent = text; };
const show_if = (ids, shown) => { for (const id of ids) find(id).hidden = !shown; };
const make = (name, text, ...inner) => {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...inner);
  return made;
};
const named = document.querySelector("#with");  // where people can be named
const access = (text, more, label, act) => {
  const line = make("li", "", make("span", text, make("small", more)));
  if (act) {
    const button = make("button", words.revoke);
    button.type = "button"; button.className = "plain";
    button.setAttribute("aria-label", label);
    button.addEventListener("click", act);
    line.append(button);
  }
  return line;
};
const event_line = entry => {
  const time = make("time", at(entry.at));
  time.dateTime = new Date(entry.at * 1000).toISOString();
  const often = entry.count > 1 ? " (" + fill(words.times, {count: entry.count}) + ")" : "";
  return make("li", "", time, make("span", happened(entry.text) + often));
};
let shown = "", last = null;
const show = told => {
  put("announcement", told.announcement || "");
  show_if(["announcement"], told.announcement);
  put("state", words[told.state] || told.state);
  find("state").className = "state " + told.state;
  put("since", at(told.since));
  put("node", told.node || words.unknown);
  put("command", told.command || "");
  show_if(["command", "commandname"], told.command);
  put("visitors", number(told.visitors || 0, 0));
  put("requests", number(told.requests || 0, 0));
  put("traffic", fill(words.out_in, {out: size(told.bytesOut || 0), in: size(told.bytesIn || 0)}));
  show_if(["left", "leftname"], told.until);
  if (told.until) put("left", fill(words.left_until, {left: left(told.until - told.now), time: at(told.until)}));
  const says = told.state === "starting" && told.output;
  show_if(["saying"], says);
  if (says) {
    put("output", told.output.join("\\n"));
    find("output").scrollTop = find("output").scrollHeight;
  }
  const owns = told.you === "owner" && Boolean(proof) && told.state !== "ended";
  show_if(["owner"], owns);
  show_if(["stale"], !proof && told.you === "owner");
  const lists = JSON.stringify([told.shares, told.people, told.log, told.ownVisitors, owns]);
  if (lists === shown) return;
  shown = lists;
  const who = told.ownVisitors === undefined ? [] : [access(words.owners, connections(told.ownVisitors))];
  for (const share of told.shares) {
    const kind = share.once ? (share.used ? words.once_used : words.once_unused) : "";
    const end = share.expires ? fill(words.until, {time: at(share.expires)}) : words.with_session;
    const label = share.with && share.label;
    const more = [label, connections(share.visitors || 0), kind, end].filter(Boolean).join(", ");
    const name = name_share(share);
    who.push(access(name, more, fill(share.with ? words.revoke_grantee : words.revoke_named, {name}),
      owns && (() => tell({do: "revoke", id: share.id}))));
  }
  find("shares").replaceChildren(...who);
  const people = (told.people || []).map(person => describe(person, told.shares));
  find("people").replaceChildren(...(people.length ? people : [words.nobody_there]).map(
    text => make("li", "", make("span", text))));
  find("log").replaceChildren(...told.log.slice().reverse().map(event_line));
};
const connect = () => {
  socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/_conductor/live");
  socket.addEventListener("open", () => { if (proof) tell({do: "prove", proof: proof}); });
  socket.addEventListener("message", event => {
    const told = JSON.parse(event.data);
    if (told.proof !== undefined) proof = told.proof;
    if (told.session) {
      last = told.session;
      put("news", last.idleUntil ? fill(words.idle, {time: at(last.idleUntil)}) : "");
    }
    if (last) show(last);
    if (told.link) {
      show_if(["linkrow"], true);
      find("link").value = location.origin + told.link;
      find("link").select();
      put("copied", "");
    }
    if (told.named) {
      named.value = "";
      put("named", fill(words.named, {name: told.named, address: location.origin + "/"}));
    }
    if (told.error) put("news", told.error);
  });
  socket.addEventListener("close", () => {
    put("news", words.away);
    setTimeout(connect, 2000);
  });
};
find("share").addEventListener("submit", event => {
  event.preventDefault();
  const hours = Number(find("hours").value);
  const name = named && named.value.trim();
  const what = name ? {with: name} : {once: find("once").checked};
  tell({do: "share", label: find("label").value, for: hours ? hours * 3600 : null, ...what});
});
find("copy").addEventListener("click", async () => {
  const link = find("link");
  link.select();
  try {
    await navigator.clipboard.writeText(link.value);
  } catch {
    document.execCommand("copy");  // where a page without HTTPS has no clipboard
  }
  put("copied", words.copied);
});
find("stop").addEventListener("click", () => {
  if (confirm(words.confirm)) tell({do: "stop"});
});
connect();
"""
