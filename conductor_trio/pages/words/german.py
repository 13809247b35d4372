"""The words in German."""

from __future__ import annotations

from conductor_trio.pages.words.dashboard import GERMAN_DASHBOARD
from conductor_trio.pages.words.sign_on import GERMAN_PEOPLE, GERMAN_SIGN_ON
from conductor_trio.pages.words.words import Language, Words

_PRIVATE = "`conductor-trio share {key}` macht einen Link für Sie oder für andere; `conductor-trio ls` zeigt alle."
_LOOK = (
    "`conductor-trio ls` zeigt, in welchem Zustand sie ist, und das Terminal oder das Protokoll des Jobs, in dem "
    "Sie sie gestartet haben, was sie ausgibt. `conductor-trio stop {key}` beendet sie."
)
_AGAIN = (
    "Starten Sie sie wie zuvor, unter demselben Namen: `conductor-trio -k {key} SERVER -- BEFEHL`. "
    "`conductor-trio ls` zeigt, welche Sitzungen Sie haben."
)
_FAILED = (
    "Diese Seite versucht es von selbst wieder. Bleibt es dabei, so sieht der Besitzer in der Ausgabe der "
    "Anwendung den Grund."
)
_CLOSE = "Schließen Sie einige davon, oder versuchen Sie es später wieder."
_DOES_NOT_ANSWER = "Die Anwendung antwortet nicht"
_NAMED_DOES_NOT_ANSWER = "{application} antwortet nicht"
_UNAVAILABLE = "Die Anwendung ist gerade nicht verfügbar"
_NAMED_UNAVAILABLE = "{application} ist gerade nicht verfügbar"
_TOO_MANY = "Zu viele Anfragen"

_ANSWERS = {
    "no_route": Words(
        "Hier ist keine Anwendung",
        "Unter diesem Namen ist an diesem Gateway keine Sitzung angemeldet.",
        "Prüfen Sie die Adresse. Stimmt sie, so ist die Anwendung nicht gestartet oder schon lange beendet: "
        "fragen Sie ihren Besitzer.",
        "`conductor-trio ls` zeigt Ihre Sitzungen und deren Adressen; "
        "`conductor-trio -k NAME SERVER -- BEFEHL` startet eine unter einem Namen Ihrer Wahl.",
    ),
    "no_page": Words("Diese Seite gibt es nicht", "Das Gateway hat unter dieser Adresse keine Seite."),
    "no_token": Words(
        "Diese Anwendung ist privat",
        "Hier betreibt jemand eine Anwendung für sich und für alle, denen er ihren Link gibt. Ihr Browser hat ihr "
        "Token nicht vorgezeigt.",
        "Öffnen Sie den Link, den der Besitzer Ihnen gegeben hat, oder geben Sie das Token daraus ein: die "
        "Buchstaben und Ziffern nach /_conductor/auth/.",
        f"Ihr eigener Link steht dort, wo Sie sie gestartet haben. {_PRIVATE}",
    ),
    "crowded_out": Words(
        "Ihr Browser hat das Token vielleicht vergessen",
        "Er zeigt etwa so viele Cookies dieser Domain vor, wie er behält, und nicht das Token der Anwendung. Eine "
        "andere Anwendung oder Website der Domain hat sie gesetzt und vielleicht das verdrängt, das Sie einließ.",
        "Öffnen Sie den Link, den der Besitzer der Anwendung Ihnen gegeben hat, oder geben Sie das Token daraus "
        "ein. Hält das nicht an, so lassen Sie den Browser die Cookies vergessen, die für die ganze Domain "
        "gesetzt wurden; vielleicht müssen Sie sich dann auf anderen Seiten der Domain neu anmelden.",
        f"Ihr eigener Link steht dort, wo Sie sie gestartet haben. {_PRIVATE}",
    ),
    "no_credentials": Words(
        "Ohne Anmeldedaten angefragt",
        "Eine Seite der Anwendung hat ohne das Cookie hiernach gefragt, so dass das Gateway nicht weiß, für wen.",
        'Die Seite kann es mitschicken: durch crossorigin="use-credentials" im Verweis auf ein Web-Manifest, '
        'durch credentials: "same-origin" in einem fetch.',
    ),
    "wrong_token": Words(
        "Dieser Link öffnet die Anwendung nicht",
        "Sein Token gehört nicht oder nicht mehr zur Anwendung: sie wurde vielleicht neu gestartet, oder der Link "
        "ist abgelaufen.",
        "Bitten Sie den Besitzer der Anwendung um einen neuen Link, oder geben Sie das Token ein, das Sie haben.",
        _PRIVATE,
    ),
    "wrong_form_token": Words(
        "Dieses Token öffnet die Anwendung nicht",
        "Es gehört nicht oder nicht mehr zu den Token der Anwendung.",
        "Prüfen Sie, ob Sie es ganz kopiert haben, oder bitten Sie den Besitzer der Anwendung um einen neuen "
        "Link.",
        _PRIVATE,
    ),
    "link_used": Words(
        "Dieser Link ist verbraucht",
        "Er war dafür da, einen Browser einzulassen, und hat das getan.",
        "Waren das nicht Sie, so sagen Sie es dem Besitzer der Anwendung. Er kann Ihnen einen neuen Link geben.",
        "`conductor-trio share --once {key}` macht einen weiteren; `conductor-trio share --list {key}` zeigt, "
        "welche es gibt.",
    ),
    "not_a_tab": Words(
        "Diese Seite braucht einen eigenen Tab",
        "Die Seite der Sitzung bekommt nur ein Tab, der sie zeigt: kein Frame, kein Skript, kein Service Worker.",
        "Öffnen Sie sie aus der Adresszeile. Hat die Anwendung einen Service Worker, so halten Sie die "
        "Umschalttaste, während Sie die Seite neu laden.",
    ),
    "cross_site": Words(
        "Anfrage von einer fremden Website abgewiesen",
        "Die Seite einer anderen Website hat diese Anfrage geschickt. Das Gateway lässt nur die eigenen Seiten "
        "der Anwendung durch.",
    ),
    "cross_site_visit": Words(
        "Eine andere Website hat hierher geführt",
        "Sie hat auf eine Weise zu einer Seite der Anwendung geführt, die nur deren eigenen Seiten offen steht.",
        "Es ist nichts zu tun: aus dieser Seite wird von selbst die Anwendung.",
    ),
    "method_not_allowed": Words("Methode nicht erlaubt", "Die eigenen Seiten des Gateways sind für GET und HEAD."),
    "too_many_connections": Words(
        _UNAVAILABLE,
        "Diese Anwendung hat im Augenblick zu viele Verbindungen.",
        _FAILED,
        "`conductor-trio ls` zeigt, wie viele Verbindungen es sind.",
        _NAMED_UNAVAILABLE,
    ),
    "too_many_visitors": Words(_UNAVAILABLE, "Das Gateway hat im Augenblick zu viele Besucher.", _FAILED),
    "gateway_restarting": Words(
        _UNAVAILABLE, "Ein Teil des Gateways startet.", "Diese Seite versucht es von selbst wieder."
    ),
    "too_many_from_address": Words(
        _TOO_MANY, "Im Augenblick kommen zu viele Verbindungen von Ihrer Adresse.", _CLOSE
    ),
    "too_many_pages": Words(_TOO_MANY, "Im Augenblick sehen zu viele die Seite dieser Sitzung an.", _CLOSE),
    "network_blocked": Words(
        "Ihr Netz ist hier gesperrt",
        "Der Betreiber des Gateways lässt niemanden aus dem Netz ein, aus dem Sie kommen.",
        "Wenden Sie sich an die Verwalter des Gateways.",
    ),
    "session_cut": Words(
        _DOES_NOT_ANSWER,
        "Die Sitzung endete, bevor die Anwendung antwortete.",
        _FAILED,
        _AGAIN,
        _NAMED_DOES_NOT_ANSWER,
    ),
    "relay_socket": Words(
        _DOES_NOT_ANSWER,
        "Der Weg zur Anwendung, ihr Relay-Socket, ist gestört: {what}. Das ist so seit {since}.",
        _FAILED,
        f"{_LOOK} `conductor-trio doctor` prüft jede Station des Weges.",
        _NAMED_DOES_NOT_ANSWER,
    ),
    "bad_answer": Words(
        _DOES_NOT_ANSWER,
        "Die Anwendung hat keine richtige Antwort gegeben: {what}. Das ist so seit {since}.",
        _FAILED,
        _LOOK,
        _NAMED_DOES_NOT_ANSWER,
    ),
    "session_over": Words(
        _DOES_NOT_ANSWER,
        "Die Sitzung ist zu Ende. Das ist so seit {since}.",
        _FAILED,
        _AGAIN,
        _NAMED_DOES_NOT_ANSWER,
    ),
    "unavailable": Words(_UNAVAILABLE, "", "", "", _NAMED_UNAVAILABLE),
    "timeout": Words(
        "Die Anwendung antwortet nicht rechtzeitig", "", "", "", "{application} antwortet nicht rechtzeitig"
    ),
    "starting": Words(
        "Die Anwendung startet",
        "Sie wurde um {since} gestartet und antwortet noch nicht.",
        "Es ist nichts zu tun: aus dieser Seite wird von selbst die Anwendung.",
        f"Wenn es zu lange dauert: {_LOOK}",
        "{application} startet",
    ),
    "link_lost": Words(
        "Die Verbindung zur Anwendung ist verloren",
        "Der Rechner der Anwendung ist seit {since} nicht mit diesem Gateway verbunden. Die Anwendung selbst kann "
        "gut weiterlaufen, und die Verbindung wird wiederhergestellt.",
        "Es ist nichts zu tun: diese Seite versucht es von selbst wieder.",
        "Lassen Sie `conductor-trio` laufen: es verbindet sich von selbst wieder. Ist es beendet, so starten Sie "
        "es unter demselben Namen: `conductor-trio -k {key} SERVER -- BEFEHL`. `conductor-trio doctor` prüft jede "
        "Station des Weges.",
        "Die Verbindung zu {application} ist verloren",
    ),
    "session_ended": Words(
        "Die Anwendung ist beendet",
        "Die Sitzung, die diese Adresse hatte, endete um {since}.",
        "Ihr Besitzer kann sie wieder starten. Dann brauchen Sie vielleicht einen neuen Link von ihm.",
        _AGAIN,
        "{application} ist beendet",
    ),
    "redirect": Words("Willkommen", "Ihr Browser geht weiter zur Anwendung."),
    "cookies_too_large": Words(
        "Zu viele Cookies",
        "Ihr Browser schickt mit dieser Anfrage mehr Cookies, als in eine Anfrage passen. Eine andere Anwendung "
        "oder Website dieser Domain hat sie gesetzt, oder diese Anwendung selbst.",
        "Es ist nichts zu tun: Ihr Browser vergisst jetzt die größten, und diese Seite fragt von selbst wieder. "
        "Bleibt es dabei, so löschen Sie die Cookies dieser Domain in den Einstellungen des Browsers.",
    ),
    "planted_cookies": Words(
        "Cookies anderer Anwendungen",
        "Die Anwendungen hier teilen sich eine Domain, und jede kann Cookies für alle anderen setzen: so viele, "
        "dass ein Browser vergisst, wer eingelassen wurde, oder so große, dass eine Anwendung keine Anfrage "
        "annimmt.",
        "Der Knopf lässt Ihren Browser die Cookies vergessen, die für die ganze Domain gesetzt wurden, und keines "
        "dieser Anwendung selbst. Vielleicht müssen Sie sich auf anderen Seiten der Domain neu anmelden.",
    ),
    "too_many_guesses": Words(
        "Zu viele falsche Token",
        "Von Ihrer Adresse oder für diese Anwendung sind so viele falsche Token gekommen, dass das Gateway eine "
        "Weile nur noch wenige ansieht. Ihres hat es nicht angesehen.",
        "Ist Ihres richtig, so ist nichts zu tun: diese Seite versucht es von selbst wieder. Ein Programm zeigt "
        "dasselbe Token nach so vielen Sekunden wieder, wie Retry-After sagt.",
    ),
    **GERMAN_SIGN_ON,
    "link_for_one_browser": Words(
        "Ein Link für einen Browser",
        "Dieser Link öffnet die Anwendung einmal, für den Browser, in dem er benutzt wird. Er ist noch nicht "
        "benutzt.",
        "Machen Sie in dem Browser weiter, in dem Sie arbeiten wollen: mit dem Knopf oder, in einem Programm, "
        "durch ein POST an diese Adresse.",
    ),
    **GERMAN_DASHBOARD,
    "400": Words(
        "Unverständliche Anfrage",
        "Das Gateway konnte diese Anfrage nicht ohne Zweifel verstehen und hat sie nicht weitergegeben.",
    ),
    "405": Words("Methode nicht erlaubt", "Das Gateway ist kein Forward-Proxy."),
    "408": Words("Zeit überschritten", "Die Anfrage kam nicht rechtzeitig an."),
    "413": Words("Anfrage zu groß", "Das Formular enthält mehr als ein Token."),
    "414": Words("Adresse zu lang", "Das Ziel der Anfrage ist zu lang."),
    "417": Words("Erwartung nicht erfüllbar", "Das Gateway kennt keine Erwartung außer 100-continue."),
    "426": Words("Anderes Protokoll nötig", "Das Gateway spricht Version 13 von WebSocket."),
    "431": Words("Kopf der Anfrage zu groß", "Die Kopffelder der Anfrage sind zu viele oder zu groß."),
    "501": Words(
        "Nicht vorgesehen", "Die Anfrage benutzt eine Übertragungskodierung, die das Gateway nicht kennt."
    ),
    "505": Words("HTTP-Version nicht unterstützt", "Das Gateway spricht HTTP/1.1."),
}

_LABELS = {
    "gateway": "Gateway",
    "dashboard": "Übersicht der Betreiber",
    "link": "Verbindung zwischen Gateway und dem Rechner der Anwendung",
    "application": "Anwendung",
    "owner": "Wenn es Ihre Anwendung ist",
    "token": "Token",
    "open": "Anwendung öffnen",
    "open_dashboard": "Übersicht öffnen",
    "forget": "Cookies dieser Domain vergessen",
    "exposed_title": "Nicht vertraulich:",
    "exposed": "diese Seite kam ohne HTTPS. Wer auf dem Weg zwischen Ihnen und dem Gateway sitzt, kann das Token "
    "lesen und alles, was Sie in der Anwendung sehen und schreiben.",
    "help": "Hilfe",
    "announcement": "Ankündigung",
    "moment": "{time} am {date}",
    "for": "Seit",
    "minutes": "{minutes} min {seconds} s",
    "seconds": "{seconds} s",
    "output": "Was sie ausgibt",
    "output_note": "Die letzten Zeilen ihrer Ausgabe, nur für Sie.",
    "no_output": "Noch nichts.",
    "key": "NAME",
}

_SESSION = {
    "title": "Sitzung",
    "back": "Anwendung öffnen",
    "state": "Zustand",
    "since": "Seit",
    "computer": "Rechner",
    "command": "Befehl",
    "left": "Restzeit",
    "connections": "Verbindungen jetzt",
    "requests": "Anfragen",
    "traffic": "Daten",
    "output": "Was sie ausgibt",
    "output_note": "Die letzten Zeilen ihrer Ausgabe, nur für Sie.",
    "links": "Wer eingelassen wird",
    "share": "Teilen",
    "whom": "Für wen",
    "whom_note": "Als Gedächtnisstütze; steht in der Liste oben.",
    "long": "Wie lange",
    "hour": "1 Stunde",
    "hours": "8 Stunden",
    "days": "3 Tage",
    "always": "so lange wie die Sitzung",
    "once": "nur für einen Browser",
    "make": "Link machen",
    "made": "Der Link, nur jetzt zu sehen",
    "copy": "Kopieren",
    "copied": "Kopiert",
    "end": "Beenden",
    "end_note": "Die Anwendung endet, für alle. Was sie nicht gespeichert hat, ist verloren.",
    "stop": "Anwendung beenden",
    "events": "Was geschehen ist",
    "connecting": "Verbindet sich mit dem Gateway.",
    "stale": "Zum Teilen oder Beenden rufen Sie diese Seite noch einmal aus der Adresszeile auf: das Gateway "
    "nimmt das von keiner Seite an, zu der die Anwendung geführt hat oder die es nicht mehr kennt.",
    "script": "Diese Seite zeigt, was geschieht, während es geschieht, und braucht dafür JavaScript. "
    "`conductor-trio ls` zeigt dasselbe.",
    "live": "Läuft",
    "starting": "Startet",
    "lost": "Verbindung verloren, wird wiederhergestellt",
    "ended": "Beendet",
    "unknown": "nicht bekannt",
    "out_in": "{out} hinaus, {in} herein",
    "minutes": "{minutes} min",
    "hours_minutes": "{hours} h {minutes} min",
    "until": "bis {time}",
    "left_until": "{left}, bis {time}",
    "owners": "Besitzer",
    "nameless": "Freigabe {id}",
    "one_connection": "1 Verbindung jetzt",
    "some_connections": "{count} Verbindungen jetzt",
    "once_used": "einmalig, benutzt",
    "once_unused": "einmalig, noch nicht benutzt",
    "with_session": "so lange wie die Sitzung",
    "revoke": "Zurückziehen",
    "revoke_named": "Link von {name} zurückziehen",
    "times": "{count} mal",
    "idle": "Niemand benutzt die Anwendung. Sie endet um {time}, wenn es dabei bleibt.",
    "away": "Nicht mit dem Gateway verbunden; neuer Versuch läuft.",
    "confirm": "Anwendung beenden? Was sie nicht gespeichert hat, ist verloren.",
    **GERMAN_PEOPLE,
}

_EVENTS = {
    "The application is starting": "Die Anwendung startet",
    "The application is running": "Die Anwendung läuft",
    "The link is there": "Die Verbindung steht",
    "The link was lost": "Die Verbindung ging verloren",
    "The session ended": "Die Sitzung ist zu Ende",
    "The application goes on": "Die Anwendung läuft weiter",
    "The application ends soon": "Die Anwendung endet bald",
    "A wrong token was shown": "Ein falsches Token wurde vorgezeigt",
    "One-time link opened": "Einmal-Link geöffnet",
    "Shared": "Geteilt",
    "Let in by name": "Mit Namen eingelassen",
    "A share was revoked": "Eine Freigabe wurde zurückgezogen",
    "The owner asked to stop the application": "Der Besitzer will die Anwendung beenden",
    "The owner asked to stop the application, which will be told when its link is back": "Der Besitzer will die "
    "Anwendung beenden; sie erfährt es, sobald die Verbindung steht",
    "The gateway's operator has ended the session": "Der Betreiber des Gateways hat die Sitzung beendet",
}

GERMAN = Language(
    code="de",
    moment="%H:%M:%S UTC am %d.%m.%Y",
    answers=_ANSWERS,
    labels=_LABELS,
    session=_SESSION,
    events=_EVENTS,
)
