"""What is said of people whom the single sign-on names, in each language: refused, let in, and there."""

from __future__ import annotations

from conductor_trio.pages.words.words import Words

ENGLISH_SIGN_ON = {
    "nobody": Words(
        "Signed in as nobody",
        "The applications here are open to those alone whom the single sign-on knows. It has told the gateway "
        "nothing of you, and so no link and no token opens this one.",
        "Sign in first. If you have, tell the people who run this gateway.",
    ),
    "somebody_else": Words(
        "This application is somebody else's",
        "You are signed in as {user}. The applications here are open to those alone whose they are, and to whom "
        "these have named; no link and no token changes that.",
        "Ask its owner to name you (`conductor-trio share KEY --with {user}`), or sign in as another.",
    ),
}

ENGLISH_PEOPLE = {
    "people": "Who is there",
    "nobody_there": "Nobody at this moment.",
    "there": "{who}, since {time}",
    "there_from": "{who}, from {address}, since {time}",
    "by_owner": "owner",
    "by_former": "a former share",
    "with": "User or @group",
    "with_note": "By the single sign-on, without a link. Empty: a link is made.",
    "with_only_note": "As the single sign-on calls them.",
    "let_in": "Let in",
    "named": "{name} gets in by the single sign-on from now on, at {address}",
    "revoke_grantee": "Revoke the share with {name}",
}

GERMAN_SIGN_ON = {
    "nobody": Words(
        "Als niemand angemeldet",
        "Die Anwendungen hier stehen nur denen offen, die der Single-Sign-on kennt. Er hat dem Gateway nichts von "
        "Ihnen gesagt, und so öffnet kein Link und kein Token diese hier.",
        "Melden Sie sich zuerst an. Haben Sie das getan, so sagen Sie es den Betreibern dieses Gateways.",
    ),
    "somebody_else": Words(
        "Diese Anwendung gehört jemand anderem",
        "Sie sind als {user} angemeldet. Die Anwendungen hier stehen nur denen offen, denen sie gehören, und "
        "denen, die von diesen genannt sind; kein Link und kein Token ändert das.",
        "Bitten Sie den Besitzer, Sie zu nennen (`conductor-trio share KEY --with {user}`), oder melden Sie sich "
        "als jemand anderes an.",
    ),
}

GERMAN_PEOPLE = {
    "people": "Wer da ist",
    "nobody_there": "Im Augenblick niemand.",
    "there": "{who}, seit {time}",
    "there_from": "{who}, von {address}, seit {time}",
    "by_owner": "Besitzer",
    "by_former": "eine frühere Freigabe",
    "with": "Benutzer oder @Gruppe",
    "with_note": "Durch den Single-Sign-on, ohne Link. Leer: ein Link wird gemacht.",
    "with_only_note": "So, wie der Single-Sign-on sie nennt.",
    "let_in": "Einlassen",
    "named": "{name} kommt von jetzt an durch den Single-Sign-on herein, unter {address}",
    "revoke_grantee": "Freigabe für {name} zurückziehen",
}
