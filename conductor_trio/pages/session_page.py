"""The session's own page: what its owner, and those to whom they gave a link, see of it while it runs."""

from __future__ import annotations

import enum
from base64 import b64encode
from hashlib import sha256

from conductor_trio.pages.html import STYLE

_OWN_STYLE = """\
body{align-items:flex-start}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1rem;margin:1rem 0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
h2{font-size:1.05rem;margin:1.6rem 0 .4rem}
ul{list-style:none;margin:0;padding:0}
li{padding:.45rem 0;border-top:1px solid var(--line);overflow-wrap:anywhere;display:flex;gap:.6rem;\
align-items:center;justify-content:space-between}
li button{width:auto;margin:0;padding:.15rem .6rem}
a{color:var(--act)}
.row{display:flex;flex-wrap:wrap;gap:.6rem;align-items:end}.row>*{flex:1 1 8rem}
.row label{margin:.4rem 0 .2rem}select{font:inherit;width:100%;padding:.6rem .5rem;border-radius:.4rem;\
border:1px solid var(--soft);background:var(--paper);color:var(--ink)}
.check{display:flex;gap:.5rem;align-items:center;font-weight:400}.check input{width:auto}
.state{font-weight:600}
[hidden]{display:none!important}
"""

_SCRIPT = """\
"use strict";
const find = id => document.getElementById(id);
const at = seconds => new Date(seconds * 1000).toLocaleString();
const size = bytes => {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) { bytes /= 1000; unit += 1; }
  return (unit ? bytes.toFixed(1) : bytes) + " " + units[unit];
};
const left = seconds => {
  const minutes = Math.max(0, Math.round(seconds / 60));
  return minutes < 60 ? minutes + " min" : Math.floor(minutes / 60) + " h " + (minutes % 60) + " min";
};
const states = {live: "Running", starting: "Starting", lost: "Link lost, being made again",
  ended: "Ended"};
let socket = null;
let proof = document.querySelector("meta[name=proof]").content;
const tell = message => socket.send(JSON.stringify(message));
const put = (id, text) => { const place = find(id); if (place.textContent !== text) place.textContent = text; };
const named = document.querySelector("#with");
const nameShare = share => share.with || share.label || "Share " + share.id;
const describe = (person, shares) => {
  const share = shares.find(one => one.id === person.by);
  const by = person.by === "owner" ? "owner" : share ? nameShare(share) : "a former share";
  const who = person.identity && person.identity !== by ? person.identity + " (" + by + ")" : by;
  return who + (person.address ? ", from " + person.address : "") + ", since " + at(person.since);
};
const item = (text, name, act) => {
  const line = document.createElement("li");
  const words = document.createElement("span");
  words.textContent = text;
  line.append(words);
  if (act) {
    const button = document.createElement("button");
    button.type = "button"; button.className = "quiet"; button.textContent = name;
    button.addEventListener("click", act);
    line.append(button);
  }
  return line;
};
let shown = "";
const show = told => {
  put("announcement", told.announcement || "");
  find("announcement").hidden = !told.announcement;
  put("state", states[told.state] || told.state);
  put("since", at(told.since));
  put("key", told.key);
  put("node", told.node || "not told");
  put("visitors", told.visitors === undefined ? "none" : String(told.visitors));
  put("requests", String(told.requests || 0));
  put("traffic", size(told.bytesOut || 0) + " out, " + size(told.bytesIn || 0) + " in");
  find("left").hidden = find("leftname").hidden = !told.until;
  if (told.until) put("left", left(told.until - told.now) + ", until " + at(told.until));
  const owns = told.you === "owner" && Boolean(proof);
  find("owner").hidden = !owns;
  find("stale").hidden = owns || told.you !== "owner";
  const lists = JSON.stringify([told.shares, told.people, told.log, told.ownVisitors, owns]);
  if (lists === shown) return;
  shown = lists;
  const who = told.ownVisitors === undefined ? []
    : [item("Owner: " + told.ownVisitors + " connections now")];
  for (const share of told.shares) {
    const kind = share.once ? (share.used ? "one-time, used" : "one-time, not used yet") : "";
    const end = share.expires ? "until " + at(share.expires) : "as long as the session";
    const text = nameShare(share) + (share.with && share.label ? " (" + share.label + ")" : "") + ": " +
      (share.visitors || 0) + " connections now, " + [kind, end].filter(Boolean).join(", ");
    who.push(item(text, "Revoke", owns && (() => tell({do: "revoke", id: share.id}))));
  }
  find("shares").replaceChildren(...who);
  find("people").replaceChildren(...(told.people || []).map(person => item(describe(person, told.shares))));
  find("log").replaceChildren(...told.log.slice().reverse().map(entry =>
    item(at(entry.at) + "  " + entry.text + (entry.count > 1 ? " (" + entry.count + " times)" : ""))));
};
const connect = () => {
  socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/_conductor/live");
  socket.addEventListener("open", () => { if (proof) tell({do: "prove", proof: proof}); });
  socket.addEventListener("message", event => {
    const told = JSON.parse(event.data);
    if (told.proof !== undefined) {
      proof = told.proof;
      find("stale").hidden = Boolean(proof);
      find("owner").hidden = !proof;
    }
    if (told.session) {
      const end = told.session.idleUntil;
      show(told.session);
      put("news", end ? "Nobody uses the application. It ends at " + at(end) + " unless somebody does." : "");
    }
    if (told.link) {
      find("linkrow").hidden = false;
      find("link").value = location.origin + told.link;
      find("link").select();
    }
    if (told.named) {
      named.value = "";
      find("named").hidden = false;
      put("named", told.named + " gets in by the single sign-on from now on, at " + location.origin + "/");
    }
    if (told.error) put("news", told.error);
  });
  socket.addEventListener("close", () => {
    put("news", "Not connected to the gateway; trying again.");
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
find("stop").addEventListener("click", () => {
  if (confirm("Stop the application? What it has not saved is lost.")) tell({do: "stop"});
});
connect();
"""

_BODY = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="proof" content="%(proof)s">
<title>Session</title>
<style>%(style)s</style>
</head>
<body>
<main>
<p id="announcement" class="announcement" role="note" hidden></p>
<p class="hop">Session</p>
<h1>What happens here</h1>
<p><a href="/">Open the application</a></p>
<p id="news" role="status">Connecting to the gateway.</p>
<p id="stale" class="next" hidden>To share or to stop, call this page up from the address bar once more: \
the gateway takes that from no page to which the application has led, or that it no longer knows.</p>
<noscript><p class="next">This page shows what happens as it happens, for which it needs JavaScript. \
<code>conductor-trio ls</code> shows the same.</p></noscript>
<dl>
<dt>State</dt><dd id="state" class="state"></dd>
<dt>Since</dt><dd id="since"></dd>
<dt>Key</dt><dd id="key"></dd>
<dt>Computer</dt><dd id="node"></dd>
<dt id="leftname" hidden>Time left</dt><dd id="left" hidden></dd>
<dt>Connections now</dt><dd id="visitors"></dd>
<dt>Requests</dt><dd id="requests"></dd>
<dt>Traffic</dt><dd id="traffic"></dd>
</dl>
<h2>Who is there</h2>
<ul id="people"></ul>
<h2>Who is let in</h2>
<ul id="shares"></ul>
<section id="owner" hidden>
<form id="share">
<h2>Share</h2>
<div class="row">
%(named)s<div><label for="label">For whom</label><input id="label" maxlength="60" autocomplete="off"></div>
<div><label for="hours">How long</label><select id="hours"><option value="1">1 hour</option>\
<option value="8" selected>8 hours</option><option value="72">3 days</option>\
<option value="0">as long as the session</option></select></div>
</div>
<label class="check"%(link)s><input type="checkbox" id="once"> for one browser only</label>
<button type="submit">%(share)s</button>
<p id="named" role="status" hidden></p>
<div id="linkrow" hidden><label for="link">The link, shown only now</label><input id="link" readonly></div>
</form>
<h2>End</h2>
<button type="button" id="stop" class="quiet">Stop the application</button>
</section>
<h2>What happened</h2>
<ul id="log"></ul>
<footer>conductor-trio</footer>
</main>
<script>%(script)s</script>
</body>
</html>
"""


class SignOn(enum.Enum):
    """Whether people can be let in by their names."""

    NONE = enum.auto()
    OFFERED = enum.auto()
    NEEDED = enum.auto()  #: and by nothing else


#: Where a person is named who needs no link, and what the button then does.
_NAMED = """\
<div><label for="with">%(who)s</label><input id="with" maxlength="200" autocomplete="off" %(more)s></div>
"""
_FORMS = {
    SignOn.NONE: {"named": "", "link": "", "share": "Make a link"},
    SignOn.OFFERED: {
        "named": _NAMED % {"who": "User or @group, if not by link", "more": 'placeholder="without: a link"'},
        "link": "",
        "share": "Share",
    },
    SignOn.NEEDED: {
        "named": _NAMED % {"who": "User or @group", "more": "required"},
        "link": " hidden",
        "share": "Let in",
    },
}


def render_session_page(proof: str, sign_on: SignOn = SignOn.NONE) -> bytes:
    """Return the page; `proof`, of letters that need no escaping, shows the gateway that its script speaks."""
    parts = {"style": STYLE + _OWN_STYLE, "script": _SCRIPT, "proof": proof}
    return (_BODY % {**parts, **_FORMS[sign_on]}).encode()


#: Its own script and its own WebSocket, and nothing else.
SESSION_POLICY = (
    b"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-"
    + b64encode(sha256(_SCRIPT.encode()).digest())
    + b"'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
