"""The design of all own pages: tokens for colour, space and type, and one sheet that uses them. Nothing is loaded.

What is drawn with a token follows the reader: light, dark, more contrast, forced colours, less motion.
`make_tokens` fits the house's colour in, so that text on it, and in it, stays readable.
"""

from __future__ import annotations

from collections.abc import Mapping

from conductor_trio.pages.colors import AA, AAA, Color, ink_on, make_readable, parse_color

DEFAULT_COLOR = parse_color("#0d6e63")

#: Each scheme's colours. `paper` is what pages lie on, `card` what is written on, `well` what is set into that.
_LIGHT = {
    "paper": "#f4f6f5", "card": "#ffffff", "well": "#eef2f1", "ink": "#16201e", "soft": "#52605c",
    "line": "#d5dddb", "edge": "#75837f", "good": "#0a6b3b", "wait": "#825500", "bad": "#b3231b",
}  # fmt: skip
_DARK = {
    "paper": "#0f1413", "card": "#181f1d", "well": "#212a28", "ink": "#e8eeec", "soft": "#a7b5b1",
    "line": "#313d3a", "edge": "#82928d", "good": "#5fd497", "wait": "#eab14e", "bad": "#ff9b90",
}  # fmt: skip
_MORE_LIGHT = {"paper": "#ffffff", "well": "#ffffff", "ink": "#000000", "soft": "#2b3532", "line": "#000000",
    "edge": "#000000", "good": "#00472a", "wait": "#573900", "bad": "#8c0d06"}  # fmt: skip
_MORE_DARK = {"paper": "#000000", "card": "#000000", "well": "#000000", "ink": "#ffffff", "soft": "#dde6e3",
    "line": "#ffffff", "edge": "#ffffff", "good": "#8ff0bb", "wait": "#ffd48a", "bad": "#ffc4bd"}  # fmt: skip


def make_tokens(color: Color = DEFAULT_COLOR) -> str:
    """Return the custom properties for all schemes; the accent is this colour, or the next readable one."""
    light, dark = _declare(_LIGHT, color, AA), _declare(_DARK, color, AA)
    more_light = _declare(_LIGHT | _MORE_LIGHT, color, AAA)
    more_dark = _declare(_DARK | _MORE_DARK, color, AAA)
    return (
        f":root{{color-scheme:light dark;{_SCALE}{light}}}\n"
        f"@media(prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
        f"@media(prefers-contrast:more){{:root{{{more_light}}}}}\n"
        f"@media(prefers-contrast:more) and (prefers-color-scheme:dark){{:root{{{more_dark}}}}}\n"
    )


def _declare(colors: Mapping[str, str], color: Color, ratio: float) -> str:
    grounds = tuple(parse_color(colors[name]) for name in ("card", "paper", "well"))
    accent = make_readable(color, grounds, ratio)
    all_colors = {**colors, "accent": str(accent), "on-accent": str(ink_on(accent))}
    return "".join(f"--{name}:{value};" for name, value in all_colors.items())


#: Space in steps, type in four sizes.
_SCALE = (
    "--s1:.25rem;--s2:.5rem;--s3:.75rem;--s4:1rem;--s5:1.5rem;--s6:2.25rem;--round:.5rem;"
    "--small:.875rem;--text:1rem;--large:1.125rem;--title:clamp(1.4rem,1.1rem + 1.4vw,1.75rem);"
    "--sans:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;"
    "--mono:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
)

SHEET = """\
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;min-height:100vh;display:flex;flex-direction:column;background:var(--paper);color:var(--ink);
font:var(--text)/1.55 var(--sans);overflow-wrap:break-word}
header,main,footer{width:100%;max-width:42rem;margin:0 auto;padding:0 clamp(1rem,4vw,1.5rem)}
header{display:flex;align-items:center;gap:var(--s3);padding-top:var(--s5);padding-bottom:var(--s4);
font-weight:600;color:var(--soft)}
header svg,header img{flex:none;height:2rem;width:auto;max-width:12rem;display:block;color:var(--accent)}
header span{min-width:0;overflow-wrap:anywhere}
main{flex:1 0 auto}
.card{background:var(--card);border:1px solid var(--line);border-radius:calc(var(--round)*1.5);
padding:clamp(1.25rem,5vw,2.25rem)}
.card:not(:last-child),main>div:not(:last-child){margin-bottom:var(--s4)}
.tone{border-top:4px solid var(--accent)}
.tone.wait{border-top-color:var(--wait)}.tone.bad{border-top-color:var(--bad)}.tone.gone{border-top-color:var(--edge)}
.hop{display:flex;align-items:center;gap:var(--s2);margin:0 0 var(--s2);font-size:var(--small);font-weight:600;
color:var(--accent)}
.hop svg{flex:none;width:1.25rem;height:1.25rem}
.wait>.hop{color:var(--wait)}.bad>.hop{color:var(--bad)}.gone>.hop{color:var(--soft)}
h1{font-size:var(--title);line-height:1.2;letter-spacing:-.01em;margin:0 0 var(--s3);overflow-wrap:anywhere;
text-wrap:balance}
h2{font-size:var(--large);line-height:1.3;margin:0 0 var(--s3)}
p{margin:0 0 var(--s3)}
p:last-child{margin-bottom:0}
a{color:var(--accent);text-underline-offset:.15em}
time,.figure{font-variant-numeric:tabular-nums}
code{font:.9em/1.5 var(--mono);background:var(--well);border-radius:.25rem;padding:.1em .3em;
overflow-wrap:anywhere;-webkit-box-decoration-break:clone;box-decoration-break:clone}
.whole{white-space:nowrap}
.soft{color:var(--soft);font-size:var(--small)}input+.soft{margin-top:var(--s1)}
.note{border:1px solid var(--line);border-left:4px solid var(--accent);border-radius:var(--round);
background:var(--card);padding:var(--s3) var(--s4);margin:0 0 var(--s4);overflow-wrap:anywhere}
.note p{margin:0 0 var(--s1)}.note p:last-child{margin:0}
.note.bad{border-left-color:var(--bad);margin:var(--s4) 0}
.owner{margin-top:var(--s5);padding-top:var(--s4);border-top:1px solid var(--line);font-size:var(--small)}
.owner h2{font-size:var(--small);margin:0 0 var(--s1)}
.wide{margin-top:var(--s5)}
.wide h2{margin-bottom:var(--s1)}
pre{margin:var(--s2) 0 0;padding:var(--s3) var(--s4);max-height:18rem;overflow:auto;background:var(--well);
border:1px solid var(--line);border-radius:var(--round);font:.8125rem/1.5 var(--mono);white-space:pre-wrap;
overflow-wrap:anywhere}
.bar{height:.375rem;margin:var(--s4) 0 var(--s3);border-radius:1rem;background:var(--well);overflow:hidden}
.bar::before{content:"";display:block;width:30%;height:100%;border-radius:1rem;background:var(--wait);
animation:along 1.8s ease-in-out infinite alternate}
@keyframes along{from{transform:translateX(-20%)}to{transform:translateX(255%)}}
label,.label{display:block;font-weight:600;margin:0 0 var(--s1)}
form>label:first-child{margin-top:var(--s4)}
input,select,textarea,button,.button{font:inherit;min-height:2.75rem;border-radius:var(--round);
border:1px solid var(--edge);background:var(--card);color:var(--ink);padding:.55rem var(--s3)}
input,select,textarea{width:100%;display:block}
button,.button{display:inline-block;border-color:var(--accent);background:var(--accent);color:var(--on-accent);
font-weight:600;text-align:center;text-decoration:none;white-space:nowrap;cursor:pointer;padding:.55rem var(--s4)}
form>button{width:100%;margin-top:var(--s3);white-space:normal}
.quiet{background:transparent;color:var(--accent)}
.plain{background:transparent;border-color:var(--edge);color:var(--ink);font-weight:500;min-height:2.25rem;
padding:.3rem var(--s3)}
.danger{background:transparent;border-color:var(--bad);color:var(--bad)}
button:hover,.button:hover{text-decoration:underline;text-underline-offset:.2em}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
footer{display:flex;flex-wrap:wrap;gap:var(--s1) var(--s4);padding-top:var(--s4);padding-bottom:var(--s5);
color:var(--soft);font-size:var(--small)}
[hidden]{display:none!important}
@media(prefers-reduced-motion:reduce){.bar::before{animation:none;width:100%;opacity:.6}}
@media(forced-colors:active){.bar{border:1px solid CanvasText}.bar::before{background:Highlight}
.state::before{forced-color-adjust:none}.tone,.note{border-color:CanvasText}}
"""
