"use strict";
const find = id => document.getElementById(id);
const proof = document.querySelector("meta[name=proof]").content;

// Words and numbers. Whatever came from elsewhere becomes text, never markup.
const size = bytes => {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 999.5 && unit < units.length - 1) { bytes /= 1000; unit += 1; }
  return (unit && bytes < 99.5 ? bytes.toFixed(1) : Math.round(bytes)) + " " + units[unit];
};
const count = number => number.toLocaleString("en");
const rate = number => number < 10 ? number.toFixed(1) : count(Math.round(number));
const known = (value, form) => value === null || value === undefined || value < 0 ? "–" : form(value);
const span = seconds => {
  if (seconds < 60) return Math.max(0, Math.floor(seconds)) + " s";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min";
  if (seconds < 86400) return Math.floor(seconds / 3600) + " h " + Math.floor(seconds % 3600 / 60) + " min";
  return Math.floor(seconds / 86400) + " d " + Math.floor(seconds % 86400 / 3600) + " h";
};
const at = seconds => new Date(seconds * 1000).toLocaleString();
const clock = seconds => {
  const then = new Date(seconds * 1000);
  const isToday = then.toDateString() === new Date().toDateString();
  return isToday ? then.toLocaleTimeString() : then.toLocaleString();
};
const make = (name, text, style) => {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (style) made.className = style;
  return made;
};
const button = (text, act, label, style) => {
  const made = make("button", text, style);
  made.type = "button";
  if (label) made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
};
const put = (place, text) => { if (place.textContent !== text) place.textContent = text; };
let newsTimer = 0;
const tell = text => {
  put(find("news"), text);
  clearTimeout(newsTimer);
  newsTimer = setTimeout(() => put(find("news"), ""), 8000);
};

// The connection.
let socket = null, lastAct = 0, isOpen = false;
const waiting = new Map();
const send = message => { if (isOpen) socket.send(JSON.stringify(message)); };
const act = command => new Promise((done, refused) => {
  if (!isOpen) { refused(new Error("not connected to the gateway at this moment")); return; }
  lastAct += 1;
  waiting.set(lastAct, {done, refused});
  send({act: lastAct, do: command});
});
const setLink = (isOn, text) => {
  isOpen = isOn;
  put(find("link"), text);
  find("link").classList.toggle("on", isOn);
};
const connect = () => {
  socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/_conductor/live");
  socket.addEventListener("open", () => {
    setLink(true, "Live");
    send({prove: proof});
    ask();
  });
  socket.addEventListener("message", event => hear(JSON.parse(event.data)));
  socket.addEventListener("close", () => {
    setLink(false, "Not connected, trying again");
    for (const {refused} of waiting.values()) refused(new Error("the connection was lost; look whether it was done"));
    waiting.clear();
    setTimeout(retry, 1500);
  });
};
const retry = async () => {
  try {
    const answer = await fetch("/_conductor/live", {cache: "no-store"});
    if (answer.status === 403 || answer.status === 404) { location.reload(); return; }
    if (answer.status === 200) { connect(); return; }
  } catch { /* the gateway is away */ }
  setTimeout(retry, 2500);
};
const hear = told => {
  if (told.stale) location.reload();
  if (told.section) shows[told.section](told.is);
  if (told.sessions) showSessions(told.sessions);
  if (told.events) showEvents(told.events);
  if (told.act) {
    const {done, refused} = waiting.get(told.act) || {};
    waiting.delete(told.act);
    if (told.refused && refused) refused(new Error(told.refused));
    else if (done) done(told.done);
  }
};

// The server as a whole.
const history = 60;
const tiles = [
  {name: "Sessions", of: now => count(now.sessions), more: now => now.lost ? now.lost + " links lost" : "no link lost",
    line: now => now.sessions},
  {name: "Visitors", of: now => known(now.visitors, count), more: () => "connections", line: now => now.visitors},
  {name: "Requests", of: now => known(now.requests, rate), more: () => "a second", line: now => now.requests},
  {name: "To visitors", of: now => known(now.bytesOut, size), more: () => "a second", line: now => now.bytesOut},
  {name: "To applications", of: now => known(now.bytesIn, size), more: () => "a second", line: now => now.bytesIn},
  {name: "Loop delay", of: now => (now.delay * 1000).toFixed(1) + " ms", more: now => count(now.delays) + " over 5 ms",
    line: now => now.delay, isBad: now => now.delay > 0.1},
  {name: "Held memory", of: now => size(now.held), more: () => "for slow readers", line: now => now.held},
  {name: "Throttled", of: now => count(now.throttled), more: () => "accounts", line: now => now.throttled,
    isBad: now => now.throttled > 0},
];
const drawTile = tile => {
  tile.place = make("div");
  const list = make("dl");
  tile.value = make("dd");
  tile.number = make("span");
  tile.note = make("small");
  tile.value.append(tile.number, tile.note);
  list.append(make("dt", tile.name), tile.value);
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  picture.setAttribute("viewBox", "0 0 " + (history - 1) + " 20");
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("aria-hidden", "true");
  tile.curve = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  picture.append(tile.curve);
  tile.place.append(list, picture);
  tile.past = [];
  return tile.place;
};
const showNow = now => {
  find("main").hidden = false;
  document.title = count(now.sessions) + (now.sessions === 1 ? " session – " : " sessions – ") + document.querySelector("h1").textContent;
  for (const tile of tiles) {
    put(tile.number, tile.of(now));
    put(tile.note, tile.more(now));
    tile.place.classList.toggle("alert", Boolean(tile.isBad && tile.isBad(now)));
    tile.past = [...tile.past, tile.line(now) || 0].slice(-history);
    const most = Math.max(...tile.past, 1e-9);
    tile.curve.setAttribute("points", tile.past.map((value, index) =>
      (history - tile.past.length + index) + "," + (18.5 - 16 * value / most).toFixed(1)).join(" "));
  }
};
const showUsers = told => {
  find("users").replaceChildren(...told.shown.map(user => {
    const line = make("li", "", "use");
    const who = make("span", "", "grow");
    who.append(make("b", user.name), " ");
    const use = [known(user.sessions, n => count(n) + (n === 1 ? " session" : " sessions")),
      known(user.requestsPerSecond, n => rate(n) + " requests/s"),
      known(user.bytesOutPerSecond, n => size(n) + "/s out"), known(user.bytesInPerSecond, n => size(n) + "/s in"),
      user.processor > 0.005 ? Math.round(user.processor * 100) + " % of the processor" : "–"];
    if (user.throttled) who.append(make("span", "throttled", "tag"), " ");
    who.append(make("span", use.filter(text => text !== "–").join(", "), "soft"));
    line.append(who);
    if (user.kind === "user" && user.user) {
      line.append(button("Show", () => { find("search").value = user.user; look(); }, "Show the sessions of " + user.name));
    }
    return line;
  }));
  if (!told.shown.length) find("users").replaceChildren(make("li", "Nobody yet.", "soft"));
  const left = told.count - told.shown.filter(user => user.kind === "user").length;
  find("more-users").hidden = left <= 0;
  put(find("more-users"), "and " + count(left) + " more");
};
let orders = {blocks: [], drain: null, announcement: null};
const showOrders = told => {
  orders = told;
  const banners = [];
  if (told.drain) {
    banners.push(make("p", "No new sessions are taken since " + at(told.drain.since) +
      (told.drain.reason ? ": " + told.drain.reason : ""), "banner bad"));
  }
  if (told.announcement) banners.push(make("p", "Announced: " + told.announcement.text, "banner"));
  find("banners").replaceChildren(...banners);
  put(find("announced"), told.announcement ? told.announcement.text : "nothing");
  put(find("announce"), told.announcement ? "Change…" : "Announce…");
  put(find("draining"), told.drain ? "are not taken" : "are taken");
  put(find("drain"), told.drain ? "Take them again" : "Drain…");
  find("blocks").replaceChildren(...told.blocks.map(block => {
    const name = block.user === undefined ? block.network : block.user;
    const line = make("li");
    line.append(make("b", name), make("span", (block.user === undefined ? "network" : "user") + ", " +
      (block.until ? "until " + at(block.until) : "until unblocked") + (block.reason ? ": " + block.reason : ""),
    "soft grow"), button("Unblock", () => run({command: "unblock",
      [block.user === undefined ? "network" : "user"]: name}, name + " is blocked no longer"), "Unblock " + name));
    return line;
  }));
  if (!told.blocks.length) find("blocks").replaceChildren(make("li", "Nobody.", "soft"));
};
const shows = {now: showNow, users: showUsers, orders: showOrders};

// Events.
const labels = {with: "with", identity: "who", by: "by", ssh_client: "from", is_all: "all sessions", by_link: "by a link"};
const described = ["host", "user", "with", "identity", "network", "node", "ssh_client", "by", "through", "address", "why", "reason",
  "text", "label", "grant", "count", "sessions", "is_all", "by_link", "version"];
const showEvents = events => {
  const lines = events.map(told => {
    const line = make("li");
    const when = make("time", clock(told.at));
    when.dateTime = new Date(told.at * 1000).toISOString();
    const said = described.filter(name => told.fields[name] !== undefined).map(name =>
      told.fields[name] === true ? labels[name] || name : (labels[name] || name) + " " + told.fields[name]);
    line.append(when, make("b", told.event.replaceAll("_", " ")), make("span", said.join(" · "), "soft grow"));
    return line;
  });
  const list = find("events");
  list.prepend(...lines.reverse());
  while (list.children.length > 200) list.lastChild.remove();
};

// Sessions.
const state = name => ({live: "running", lost: "link lost"})[name] || name;
const columns = [
  {name: "host", title: "Host", form: value => value},
  {name: "user", title: "User", form: value => value || "–"},
  {name: "node", title: "Computer", form: value => value || "–"},
  {name: "state", title: "State", form: value => state(value)},
  {name: "since", title: "For", form: value => span(Date.now() / 1000 - value), isOld: true},
  {name: "visitors", title: "Visitors", form: value => known(value, count), isNumber: true},
  {name: "requests", title: "Requests", form: value => known(value, count), isNumber: true},
  {name: "bytesOut", title: "Out", form: value => known(value, size), isNumber: true},
  {name: "bytesIn", title: "In", form: value => known(value, size), isNumber: true},
  {name: "rate", title: "Now", form: value => known(value, n => n ? size(n) + "/s" : "–"), isNumber: true},
];
const view = {search: "", column: "host", descending: false, page: 0};
const kept = new Map();
const ask = () => send({view: view});
const look = () => { view.search = find("search").value; view.page = 0; ask(); };
const sortBy = (column, descending) => {
  Object.assign(view, {column, descending, page: 0});
  for (const head of find("heads").children) {
    const isIt = head.dataset.column === column;
    // The longest ago is what has run for longest.
    const isDown = column === "since" ? !descending : descending;
    if (isIt) head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
  find("sort").value = column + (descending ? " down" : " up");
  ask();
};
const makeRow = host => {
  const line = make("tr");
  line.setAttribute("role", "row");  // which is lost where the style makes cards of rows
  const cells = {};
  for (const column of columns) {
    const cell = make("td", "", column.isNumber ? "number" : ({host: "wide-cell", since: "line", state: "line"})[column.name]);
    cell.setAttribute("role", "cell");
    cell.dataset.label = column.title;
    if (column.name === "host") cell.append(button(host, () => showSession(host), "", "name"));
    else if (column.name === "state") cell.append(make("span"));
    cells[column.name] = cell;
    line.append(cell);
  }
  const last = make("td", "", "act");
  last.setAttribute("role", "cell");
  last.append(button("End…", () => askEnd(host, kept.get(host).told), "End " + host));
  line.append(last);
  return {line, cells, told: {}};
};
const fill = row => {
  for (const column of columns) {
    const value = row.told[column.name], cell = row.cells[column.name];
    if (column.name === "state") {
      put(cell.firstChild, column.form(value));
      cell.firstChild.className = "state " + (["live", "lost", "starting"].includes(value) ? value : "");
    } else if (column.name !== "host") put(cell, column.form(value));
    if (column.isOld) cell.title = at(value);
  }
};
const showSessions = told => {
  for (const row of told.rows) {
    if (!kept.has(row.host)) kept.set(row.host, makeRow(row.host));
    kept.get(row.host).told = row;
    fill(kept.get(row.host));
  }
  if (told.order) {
    const body = find("rows"), focused = document.activeElement, wanted = new Set(told.order);
    for (const [host, row] of kept) if (!wanted.has(host)) { row.line.remove(); kept.delete(host); }
    told.order.forEach((host, index) => {
      const line = kept.get(host).line;
      if (body.children[index] !== line) body.insertBefore(line, body.children[index] || null);
    });
    if (body.contains(focused) && document.activeElement !== focused) focused.focus();
  }
  view.page = told.page;
  const first = told.page * told.size;
  put(find("range"), told.matched ? count(first + 1) + " to " + count(first + kept.size) + " of " + count(told.matched) +
    (told.matched < told.total ? " found among " + count(told.total) : "") : "");
  find("none").hidden = told.matched > 0;
  put(find("none"), told.total ? "None of the " + count(told.total) + " sessions is like that." : "There are no sessions.");
  find("previous").disabled = told.page === 0;
  find("next").disabled = told.page >= told.pages - 1;
};

// What is done.
const dialog = find("dialog");
const run = async (command, done) => {
  try {
    const answer = await act(command);
    tell(typeof done === "function" ? done(answer) : done);
    return true;
  } catch (error) {
    tell(error.message);
    return false;
  }
};
// `fields` are {name, label, value, options, most}; `submit` is given their values, and throws what is wrong.
const open = ({title, text = "", list = [], fields = [], buttons = [], action, submit, isDanger}) => {
  put(find("dialog-title"), title);
  put(find("dialog-text"), text);
  put(find("dialog-error"), "");
  find("dialog-list").replaceChildren(...list.flatMap(([name, value]) => [make("dt", name), make("dd", value)]));
  const inputs = {};
  find("dialog-fields").replaceChildren(...fields.map(field => {
    const label = make("label", field.label);
    const input = make(field.options ? "select" : "input");
    for (const [value, words] of field.options || []) input.append(new Option(words, value));
    input.name = field.name;
    if (!field.options) { input.maxLength = field.most || 500; input.autocomplete = "off"; }
    if (field.value !== undefined) input.value = field.value;
    inputs[field.name] = input;
    label.append(input);
    return label;
  }));
  const close = button(action ? "Cancel" : "Close", () => dialog.close());
  const go = make("button", action, "go" + (isDanger ? " danger" : ""));
  find("dialog-buttons").replaceChildren(...buttons, close, ...(action ? [go] : []));
  dialog.firstElementChild.onsubmit = async event => {
    event.preventDefault();
    if (!action || go.disabled) return;
    go.disabled = true;
    try {
      tell(await submit(Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.value.trim()]))));
      dialog.close();
    } catch (error) { put(find("dialog-error"), error.message); }
    go.disabled = false;
  };
  if (!dialog.open) dialog.showModal();
  (Object.values(inputs)[0] || close).focus();
};
const reasonField = {name: "reason", label: "Reason, which they are told"};
const askEnd = (host, told) => open({
  title: "End " + host + "?",
  text: (told.user ? "It is " + told.user + "'s. " : "") +
    "The owner is told why, and the application ends; what it has not saved is lost.",
  fields: [reasonField], action: "End the session", isDanger: true,
  submit: async ({reason}) => { await act({command: "end", host, reason}); return host + " ends"; },
});
const askEndUser = user => open({
  title: "End all sessions of " + user + "?",
  text: "Their applications end; what they have not saved is lost.",
  fields: [reasonField], action: "End them all", isDanger: true,
  submit: async ({reason}) => {
    const {count: ended} = await act({command: "end", user, reason});
    return ended + (ended === 1 ? " session ends" : " sessions end");
  },
});
const askBlock = target => open({
  title: "Block a user or a network",
  text: "No new session of a blocked user is taken; those that run go on. Visitors of a blocked network are refused.",
  fields: [{name: "target", label: "User, address or network", value: target || "", most: 100},
    {name: "time", label: "How long", options: [["3600", "1 hour"], ["28800", "8 hours"], ["86400", "1 day"],
      ["604800", "7 days"], ["", "until unblocked"]], value: "28800"},
    {name: "reason", label: "Reason, which a blocked user is told"}],
  action: "Block", isDanger: true,
  submit: async ({target: whom, time, reason}) => {
    if (!whom) throw new Error("Say whom.");
    const {block, running} = await act({command: "block", target: whom, for: time ? Number(time) : null, reason});
    const name = block.user === undefined ? block.network : block.user;
    return name + " is blocked" + (running ? "; " + running + " of their sessions go on" : "");
  },
});
const showSession = async host => {
  let session;
  try { session = (await act({command: "session", host})).session; } catch (error) { tell(error.message); return; }
  const list = [["User", session.user || "not known"], ["Key", session.key], ["Computer", session.node || "not told"],
    ["State", state(session.state) + " since " + at(session.since)], ["Host names", session.hosts.join(", ")],
    ["Connections", known(session.visitors, count) + (session.throttled ? ", throttled" : "")],
    ["Requests", known(session.requests, count)],
    ["Traffic", known(session.bytesOut, size) + " out, " + known(session.bytesIn, size) + " in"],
    ["Shares", session.shares.map(share => share.label || share.id).join(", ") || "none"]];
  if (session.until) list.push(["Time ends", at(session.until)]);
  for (const entry of session.events.slice(-8).reverse()) {
    list.push([clock(entry.at), entry.text + (entry.count > 1 ? " (" + entry.count + " times)" : "")]);
  }
  const user = session.user;
  open({title: host, list, buttons: [
    button("End…", () => askEnd(host, session)),
    ...(user ? [button("End all of " + user + "…", () => askEndUser(user)),
      button("Block " + user + "…", () => askBlock(user))] : []),
  ]});
};

// The page.
find("tiles").append(...tiles.map(drawTile));
for (const column of columns) {
  const head = make("th", "", column.isNumber ? "number" : "");
  head.scope = "col";
  head.dataset.column = column.name;
  head.append(button(column.title, () =>
    sortBy(column.name, view.column === column.name ? !view.descending : Boolean(column.isNumber))));
  find("heads").append(head);
  const [up, down] = column.isNumber ? [", least first", ", most first"] : column.isOld ?
    [", longest first", ", latest first"] : [", A to Z", ", Z to A"];
  find("sort").append(new Option(column.title + up, column.name + " up"), new Option(column.title + down,
    column.name + " down"));
}
const corner = make("th");
corner.append(make("span", "Actions", "sr"));
find("heads").append(corner);
find("sort").addEventListener("change", () => {
  const [column, direction] = find("sort").value.split(" ");
  sortBy(column, direction === "down");
});
let typing = 0;
find("search").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(look, 150); });
find("previous").addEventListener("click", () => { view.page -= 1; ask(); });
find("next").addEventListener("click", () => { view.page += 1; ask(); });
find("block").addEventListener("click", () => askBlock());
find("announce").addEventListener("click", () => open({
  title: "Announce", text: "It is shown on every page of the gateway's own, and every client prints it once. " +
    "Without a text, nothing is announced any more.",
  fields: [{name: "text", label: "Text", value: orders.announcement ? orders.announcement.text : ""}],
  action: "Announce",
  submit: async ({text}) => { await act({command: "announce", text}); return text ? "Announced" : "Nothing is announced"; },
}));
find("drain").addEventListener("click", () => {
  if (orders.drain) { run({command: "drain", on: false}, "New sessions are taken again"); return; }
  open({
    title: "Take no new sessions?", text: "Those that run go on. All clients are told.",
    fields: [reasonField], action: "Take no new sessions", isDanger: true,
    submit: async ({reason}) => { await act({command: "drain", on: true, reason}); return "No new sessions are taken"; },
  });
});
document.addEventListener("keydown", event => {
  if (event.key === "/" && !dialog.open && !/^(INPUT|SELECT)$/.test(document.activeElement.tagName)) {
    event.preventDefault();
    find("search").focus();
  }
});
setInterval(() => { for (const row of kept.values()) fill(row); }, 10000);
sortBy(view.column, view.descending);
setLink(false, "Connecting");
connect();
