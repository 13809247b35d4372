"""Applications of the user's own: Streamlit, Bokeh, Panel, Dash, Shiny, Gradio."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from scripts.apps.application import Application


def _press(page: Page, directory: Path) -> None:
    page.get_by_role("button", name="Press").click()
    expect(page.get_by_text("pressed: 42")).to_be_visible()


_STREAMLIT = """\
import streamlit
streamlit.write("not pressed")
if streamlit.button("Press"):
    streamlit.write(f"pressed: {6 * 7}")
"""

_BOKEH = """\
from bokeh.io import curdoc
from bokeh.layouts import column
from bokeh.models import Button, Div
button, text = Button(label="Press"), Div(text="not pressed")
button.on_click(lambda: text.update(text=f"pressed: {6 * 7}"))
curdoc().add_root(column(button, text))
"""

_PANEL = """\
import panel
panel.extension()
button, text = panel.widgets.Button(name="Press"), panel.pane.Str("not pressed")
button.on_click(lambda _: setattr(text, "object", f"pressed: {6 * 7}"))
panel.Column(button, text).servable()
"""

_DASH = """\
from dash import Dash, Input, Output, callback, html
app = Dash(__name__)
server = app.server
app.layout = html.Div([html.Button("Press", id="button"), html.Div("not pressed", id="text")])

@callback(Output("text", "children"), Input("button", "n_clicks"), prevent_initial_call=True)
def press(clicks):
    return f"pressed: {clicks * 42}"

if __name__ == "__main__":
    app.run()
"""

_SHINY = """\
from shiny import App, render, ui
page = ui.page_fluid(ui.input_action_button("button", "Press"), ui.output_text("text"))

def serve(input, output, session):
    @render.text
    def text():
        return f"pressed: {input.button() * 42}"

app = App(page, serve)
"""

_GRADIO = """\
import gradio
with gradio.Blocks() as blocks:
    button, text = gradio.Button("Press"), gradio.Markdown("not pressed")
    button.click(lambda: f"pressed: {6 * 7}", outputs=text)
blocks.launch()
"""

APPLICATIONS = (
    Application(
        name="streamlit",
        title="Streamlit",
        python_packages=("streamlit",),
        command=("streamlit", "run", "app.py"),
        files={"app.py": _STREAMLIT},
        use=_press,
        tried="a button pressed",
    ),
    Application(
        name="bokeh",
        title="Bokeh",
        python_packages=("bokeh",),
        command=("bokeh", "serve", "app.py"),
        files={"app.py": _BOKEH},
        start="/app",
        use=_press,
        tried="a button pressed",
    ),
    Application(
        name="panel",
        title="Panel",
        python_packages=("panel",),
        command=("panel", "serve", "app.py"),
        files={"app.py": _PANEL},
        start="/app",
        use=_press,
        tried="a button pressed",
    ),
    Application(
        name="dash",
        title="Dash",
        python_packages=("dash",),
        command=("dash", "app.py"),
        run_recipe=True,
        files={"app.py": _DASH},
        use=_press,
        tried="a button pressed",
        websocket=False,
    ),
    Application(
        name="gunicorn",
        title="Dash under gunicorn",
        python_packages=("gunicorn", "dash"),
        command=("gunicorn", "app:server"),
        files={"app.py": _DASH},
        use=_press,
        tried="a button pressed",
        websocket=False,
    ),
    Application(
        name="shiny",
        title="Shiny",
        python_packages=("shiny",),
        command=("shiny", "run", "app.py"),
        files={"app.py": _SHINY},
        use=_press,
        tried="a button pressed",
    ),
    Application(
        name="uvicorn",
        title="Shiny under uvicorn",
        python_packages=("uvicorn", "shiny"),
        command=("uvicorn", "app:app"),
        files={"app.py": _SHINY},
        use=_press,
        tried="a button pressed",
    ),
    Application(
        name="gradio",
        title="Gradio",
        python_packages=("gradio",),
        command=("gradio", "app.py"),
        run_recipe=True,
        files={"app.py": _GRADIO},
        use=_press,
        tried="a button pressed",
        websocket=False,
    ),
)
