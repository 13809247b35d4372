"""What the operator's dashboard answers to who is not in it, in each language, by topic."""

from __future__ import annotations

from conductor_trio.pages.words.words import Words

ENGLISH_DASHBOARD = {
    "dashboard_sign_in": Words(
        "For operators",
        "This is the dashboard of the people who run the gateway.",
        "If you are one of them, `conductor-trio-server links` on the gateway's host prints a link that "
        "opens it in this browser. Where operators come by the single sign-on, sign in as one first.",
    ),
    "dashboard_link": Words(
        "A link for one browser",
        "This link opens the operator's dashboard once, for the browser in which it is used. It has not been "
        "used yet.",
        "Go on by the button, in the browser in which you want to work.",
    ),
    "dashboard_wrong_link": Words(
        "This link does not open the dashboard",
        "It is none of the gateway's links, or none any more: each has ten minutes, and none outlasts a "
        "restart or a reload of the gateway.",
        "`conductor-trio-server links` on the gateway's host prints another one.",
    ),
    "dashboard_link_used": Words(
        "This link has been used",
        "It was made to open one browser, and has done so.",
        "If that was not you, `conductor-trio-server links --revoke` on the gateway's host ends whatever was "
        "opened. `conductor-trio-server links` prints another one.",
    ),
    "dashboard_cross_site": Words(
        "Cross-site request refused",
        "Another site's page sent this request. The dashboard takes what its own page sends, and nothing else.",
    ),
    "dashboard_not_a_tab": Words(
        "This page needs a tab of its own",
        "The dashboard is given to nothing but a tab that shows it: no frame and no script.",
        "Open it from the address bar.",
    ),
    "dashboard_too_many": Words(
        "Too many dashboards", "As many dashboards are open as there may be.", "Close some of them."
    ),
}

GERMAN_DASHBOARD = {
    "dashboard_sign_in": Words(
        "Für die Betreiber",
        "Dies ist die Übersicht derer, die das Gateway betreiben.",
        "Gehören Sie dazu, so gibt `conductor-trio-server links` auf dem Rechner des Gateways einen Link "
        "aus, der sie in diesem Browser öffnet. Wo Betreiber durch das Single Sign-on kommen, melden Sie "
        "sich erst als einer an.",
    ),
    "dashboard_link": Words(
        "Ein Link für einen Browser",
        "Dieser Link öffnet die Übersicht der Betreiber einmal, für den Browser, in dem er benutzt wird. Er "
        "ist noch nicht benutzt.",
        "Machen Sie mit dem Knopf weiter, in dem Browser, in dem Sie arbeiten wollen.",
    ),
    "dashboard_wrong_link": Words(
        "Dieser Link öffnet die Übersicht nicht",
        "Er ist keiner des Gateways, oder keiner mehr: jeder gilt zehn Minuten, und keiner überdauert, dass "
        "das Gateway neu gestartet oder neu eingerichtet wird.",
        "`conductor-trio-server links` auf dem Rechner des Gateways gibt einen neuen aus.",
    ),
    "dashboard_link_used": Words(
        "Dieser Link ist verbraucht",
        "Er war dafür da, einen Browser einzulassen, und hat das getan.",
        "Waren das nicht Sie, so beendet `conductor-trio-server links --revoke` auf dem Rechner des Gateways "
        "alles, was geöffnet wurde. `conductor-trio-server links` gibt einen neuen aus.",
    ),
    "dashboard_cross_site": Words(
        "Anfrage von einer fremden Website abgewiesen",
        "Die Seite einer anderen Website hat diese Anfrage geschickt. Die Übersicht nimmt nur, was ihre "
        "eigene Seite schickt.",
    ),
    "dashboard_not_a_tab": Words(
        "Diese Seite braucht einen eigenen Tab",
        "Die Übersicht bekommt nur ein Tab, der sie zeigt: kein Frame und kein Skript.",
        "Öffnen Sie sie aus der Adresszeile.",
    ),
    "dashboard_too_many": Words(
        "Zu viele Übersichten", "Es sind so viele Übersichten offen, wie es sein dürfen.", "Schließen Sie einige."
    ),
}
