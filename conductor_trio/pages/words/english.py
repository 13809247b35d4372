"""The words in English, which programs get as well."""

from __future__ import annotations

from http import HTTPStatus

from conductor_trio.pages.words.dashboard import ENGLISH_DASHBOARD
from conductor_trio.pages.words.sign_on import ENGLISH_PEOPLE, ENGLISH_SIGN_ON
from conductor_trio.pages.words.words import Language, Words

_PRIVATE = (
    "`conductor-trio share {key}` makes a link for you or for others; `conductor-trio ls` shows your sessions."
)
_LOOK = (
    "`conductor-trio ls` shows in which state it is, and the terminal or the job's log in which you started it "
    "what it says. `conductor-trio stop {key}` ends it."
)
_AGAIN = (
    "Start it again as you did before, under the same name: `conductor-trio -k {key} SERVER -- COMMAND`. "
    "`conductor-trio ls` shows which sessions you have."
)
_FAILED = "This page tries again by itself. If this stays so, its owner can see in the application's output why."
_CLOSE = "Close some of them, or try again later."
_DOES_NOT_ANSWER = "The application does not answer"
_NAMED_DOES_NOT_ANSWER = "{application} does not answer"

_ANSWERS = {
    "no_route": Words(
        "No application here",
        "No session is registered under this name at this gateway.",
        "Check the address. If it is right, the application has not been started, or has long ended: ask its "
        "owner.",
        "`conductor-trio ls` shows your sessions and their addresses; "
        "`conductor-trio -k NAME SERVER -- COMMAND` starts one under a name of your choice.",
    ),
    "no_page": Words("No such page", "The gateway keeps no page under this address."),
    "no_token": Words(
        "This application is private",
        "Somebody runs an application here for themselves, and for those to whom they give its link. Your browser "
        "has not shown its token.",
        "Open the link that its owner gave you, or enter the token from it, the letters and digits after "
        "/_conductor/auth/.",
        f"Your own link stands where you started it. {_PRIVATE}",
    ),
    "crowded_out": Words(
        "Your browser may have forgotten the token",
        "It shows about as many cookies of this domain as it keeps, and not the application's token. Another "
        "application or site of the domain has set them, and may have pushed out the one that let you in.",
        "Open the link that the application's owner gave you, or enter the token from it. If that does not last, "
        "have your browser forget the cookies that were set for the whole domain; you may have to sign in again "
        "at other sites of it.",
        f"Your own link stands where you started it. {_PRIVATE}",
    ),
    "no_credentials": Words(
        "Asked for without credentials",
        "A page of the application asked for this without the cookie, so that the gateway does not know for whom.",
        'The page can ask with it: by crossorigin="use-credentials" in a link to a web manifest, by credentials: '
        '"same-origin" in a fetch.',
    ),
    "wrong_token": Words(
        "This link does not open the application",
        "Its token is not, or no longer, one of the application's: it may have been started anew, or the link may "
        "have ended.",
        "Ask the application's owner for a new link, or enter the token that you have.",
        _PRIVATE,
    ),
    "wrong_form_token": Words(
        "This token does not open the application",
        "It is not, or no longer, one of the application's tokens.",
        "Check that you have copied all of it, or ask the application's owner for a new link.",
        _PRIVATE,
    ),
    "link_used": Words(
        "This link has been used",
        "It was made to open one browser, and has done so.",
        "If that was not you, tell the application's owner. They can give you a new link.",
        "`conductor-trio share --once {key}` makes another; `conductor-trio share --list {key}` shows those that "
        "there are.",
    ),
    "not_a_tab": Words(
        "This page needs a tab of its own",
        "The session's page is given to nothing but a tab that shows it: no frame, script or service worker.",
        "Open it from the address bar. If the application has a service worker, hold Shift while you load the "
        "page anew.",
    ),
    "cross_site": Words(
        "Cross-site request refused",
        "Another site's page sent this request. The gateway lets through only the application's own pages.",
    ),
    "cross_site_visit": Words(
        "Another site led here",
        "It led to a page of the application in a way that is open to the application's own pages only.",
        "There is nothing to do: this page becomes the application by itself.",
    ),
    "method_not_allowed": Words("Method not allowed", "The gateway's own pages are for GET and HEAD."),
    "too_many_connections": Words(
        "The application is not available now",
        "This application has too many connections at this moment.",
        _FAILED,
        "`conductor-trio ls` shows how many connections there are.",
        "{application} is not available now",
    ),
    "too_many_visitors": Words(
        "The application is not available now", "The gateway has too many visitors at this moment.", _FAILED
    ),
    "gateway_restarting": Words(
        "The application is not available now",
        "A part of the gateway is starting.",
        "This page tries again by itself.",
    ),
    "too_many_from_address": Words(
        HTTPStatus(429).phrase, "There are too many connections from your address at this moment.", _CLOSE
    ),
    "too_many_pages": Words(
        HTTPStatus(429).phrase, "Too many look at this session's page at this moment.", _CLOSE
    ),
    "network_blocked": Words(
        "Your network is blocked here",
        "The gateway's operator does not let anybody in from the network that you come from.",
        "Ask the gateway's administrators.",
    ),
    "session_cut": Words(
        _DOES_NOT_ANSWER,
        "The session ended before the application answered.",
        _FAILED,
        _AGAIN,
        _NAMED_DOES_NOT_ANSWER,
    ),
    "relay_socket": Words(
        _DOES_NOT_ANSWER,
        "The way to the application, its relay socket, failed: {what}. This is so since {since}.",
        _FAILED,
        f"{_LOOK} `conductor-trio doctor` tries every hop of the way.",
        _NAMED_DOES_NOT_ANSWER,
    ),
    "bad_answer": Words(
        _DOES_NOT_ANSWER,
        "The application did not give a proper answer: {what}. This is so since {since}.",
        _FAILED,
        _LOOK,
        _NAMED_DOES_NOT_ANSWER,
    ),
    "session_over": Words(
        _DOES_NOT_ANSWER, "The session ended. This is so since {since}.", _FAILED, _AGAIN, _NAMED_DOES_NOT_ANSWER
    ),
    "unavailable": Words("The application is not available now", "", "", "", "{application} is not available now"),
    "timeout": Words(HTTPStatus(504).phrase, "", "", "", "{application} does not answer in time"),
    "starting": Words(
        "The application is starting",
        "It was started at {since}, and does not answer yet.",
        "There is nothing to do: this page becomes the application by itself.",
        f"If it takes too long: {_LOOK}",
        "{application} is starting",
    ),
    "link_lost": Words(
        "The link to the application is lost",
        "The application's computer has not been connected to this gateway since {since}. The application itself "
        "may well be running, and the link is being made again.",
        "There is nothing to do: this page tries again by itself.",
        "Leave `conductor-trio` running: it connects again by itself. If it has ended, start it again under the "
        "same name: `conductor-trio -k {key} SERVER -- COMMAND`. `conductor-trio doctor` tries every hop of the "
        "way.",
        "The link to {application} is lost",
    ),
    "session_ended": Words(
        "The application has ended",
        "The session that had this address ended at {since}.",
        "Its owner may start it again. You may then need a new link from them.",
        _AGAIN,
        "{application} has ended",
    ),
    "redirect": Words("Welcome", "Your browser goes on to the application."),
    "cookies_too_large": Words(
        "Too many cookies",
        "Your browser sends more cookies with this request than any request may hold. Another application or site "
        "of this domain has set them, or this application itself.",
        "There is nothing to do: your browser forgets the largest of them now, and this page asks again by "
        "itself. If this stays so, delete the cookies of this domain in the browser's settings.",
    ),
    "planted_cookies": Words(
        "Cookies of other applications",
        "The applications here share a domain, and any of them can set cookies for all others: so many that a "
        "browser forgets who was let in, or so large that an application takes no request.",
        "The button has your browser forget the cookies that were set for the whole domain, and none of this "
        "application's own. You may have to sign in again at other sites of the domain.",
    ),
    "too_many_guesses": Words(
        "Too many wrong tokens",
        "So many wrong tokens have come from your address, or for this application, that the gateway looks at few "
        "more for a while. It has not looked at yours.",
        "If yours is right, there is nothing to do: this page tries again by itself. A program shows the same "
        "token again after as many seconds as Retry-After says.",
    ),
    **ENGLISH_SIGN_ON,
    "link_for_one_browser": Words(
        "A link for one browser",
        "This link opens the application once, for the browser in which it is used. It has not been used yet.",
        "Go on in the browser in which you want to work: by the button, or, with a program, by a POST to this "
        "address.",
    ),
    **ENGLISH_DASHBOARD,
    "400": Words(
        HTTPStatus(400).phrase,
        "The gateway could not read this request without a doubt about its meaning, and did not pass it on.",
    ),
    "405": Words(HTTPStatus(405).phrase, "The gateway is no forward proxy."),
    "408": Words(HTTPStatus(408).phrase, "The request did not arrive in time."),
    "413": Words(HTTPStatus(413).phrase, "The form holds more than a token."),
    "414": Words(HTTPStatus(414).phrase, "The request's target is too long."),
    "417": Words(HTTPStatus(417).phrase, "The gateway knows no expectation but 100-continue."),
    "426": Words(HTTPStatus(426).phrase, "The gateway speaks version 13 of WebSocket."),
    "431": Words(HTTPStatus(431).phrase, "The request's header fields are too many or too large."),
    "501": Words(HTTPStatus(501).phrase, "The request uses a transfer coding that the gateway does not know."),
    "505": Words(HTTPStatus(505).phrase, "The gateway speaks HTTP/1.1."),
}

_LABELS = {
    "gateway": "Gateway",
    "dashboard": "Operator's dashboard",
    "link": "Link between the gateway and the application's computer",
    "application": "Application",
    "owner": "If it is your application",
    "token": "Token",
    "open": "Open the application",
    "open_dashboard": "Open the dashboard",
    "forget": "Forget the cookies of this domain",
    "exposed_title": "Not private:",
    "exposed": "this page came without HTTPS. Whoever is on the way between you and the gateway can read the "
    "token, and all that you see and write in the application.",
    "help": "Help",
    "announcement": "Announcement",
    "moment": "{time} on {date}",
    "for": "For",
    "minutes": "{minutes} min {seconds} s",
    "seconds": "{seconds} s",
    "output": "What it says",
    "output_note": "The last lines of its output, for you alone.",
    "no_output": "Nothing yet.",
    "key": "KEY",
}

_SESSION = {
    "title": "Session",
    "back": "Open the application",
    "state": "State",
    "since": "Since",
    "computer": "Computer",
    "command": "Command",
    "left": "Time left",
    "connections": "Connections now",
    "requests": "Requests",
    "traffic": "Traffic",
    "output": "What it says",
    "output_note": "The last lines of its output, for you alone.",
    "links": "Who is let in",
    "share": "Share",
    "whom": "For whom",
    "whom_note": "For your own memory; shown in the list above.",
    "long": "How long",
    "hour": "1 hour",
    "hours": "8 hours",
    "days": "3 days",
    "always": "as long as the session",
    "once": "for one browser only",
    "make": "Make a link",
    "made": "The link, shown only now",
    "copy": "Copy",
    "copied": "Copied",
    "end": "End",
    "end_note": "The application ends, for everybody. What it has not saved is lost.",
    "stop": "Stop the application",
    "events": "What happened",
    "connecting": "Connecting to the gateway.",
    "stale": "To share or to stop, call this page up from the address bar once more: the gateway takes that from "
    "no page to which the application has led, or that it no longer knows.",
    "script": "This page shows what happens as it happens, for which it needs JavaScript. `conductor-trio ls` "
    "shows the same.",
    "live": "Running",
    "starting": "Starting",
    "lost": "Link lost, being made again",
    "ended": "Ended",
    "unknown": "not told",
    "out_in": "{out} out, {in} in",
    "minutes": "{minutes} min",
    "hours_minutes": "{hours} h {minutes} min",
    "until": "until {time}",
    "left_until": "{left}, until {time}",
    "owners": "Owner",
    "nameless": "Share {id}",
    "one_connection": "1 connection now",
    "some_connections": "{count} connections now",
    "once_used": "one-time, used",
    "once_unused": "one-time, not used yet",
    "with_session": "as long as the session",
    "revoke": "Revoke",
    "revoke_named": "Revoke the link of {name}",
    "times": "{count} times",
    "idle": "Nobody uses the application. It ends at {time} unless somebody does.",
    "away": "Not connected to the gateway; trying again.",
    "confirm": "Stop the application? What it has not saved is lost.",
    **ENGLISH_PEOPLE,
}

ENGLISH = Language(
    code="en", moment="%H:%M:%S UTC on %d %B %Y", answers=_ANSWERS, labels=_LABELS, session=_SESSION, events={}
)
