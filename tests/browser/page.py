"""Opens the pages that the examples draw_tape and mlp write in headless Chromium, clicks, slides and types, and takes
screenshots. Needs Chromium and chromedriver, and nothing else: WebDriver is spoken with the standard library.

Run with `.ci/browser`, or `python3 tests/browser/page.py FOLDER` for pages in a folder.
"""

import base64
import json
import pathlib
import re
import shutil
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND"]
KEYS = {"left": "\ue012", "up": "\ue013", "right": "\ue014", "down": "\ue015", "home": "\ue011", "end": "\ue010",
        "escape": "\ue00c"}
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """A session with Chromium."""

    def __init__(self):
        self.driver = subprocess.Popen([shutil.which("chromedriver"), "--port=0"], stdout=subprocess.PIPE, text=True)
        port = None
        for line in self.driver.stdout:
            found = re.search(r"started successfully on port (\d+)", line)
            if found:
                port = found[1]
                break
        self.address = f"http://127.0.0.1:{port}"
        options = {"binary": shutil.which("chromium"), "args": FLAGS}
        capabilities = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        answer = self.send("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
        self.session = "/session/" + answer["sessionId"]

    def send(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error

    def post(self, path, body):
        return self.send("POST", self.session + path, body)

    def open(self, page, width=1200, height=900):
        self.post("/window/rect", {"width": width, "height": height})
        self.post("/url", {"url": page.resolve().as_uri()})

    def run(self, script, *arguments):
        return self.post("/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, selector):
        return self.post("/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.post(f"/element/{self.find(selector)}/click", {})

    def text(self, selector):
        return self.send("GET", f"{self.session}/element/{self.find(selector)}/text")

    def press(self, *keys):
        for key in keys:
            key = KEYS.get(key, key)
            actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
            self.post("/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def theme(self, name):
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.post("/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}})

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.send("GET", self.session + "/screenshot")))

    def faults(self):
        return [entry["message"] for entry in self.post("/se/log", {"type": "browser"}) if entry["level"] == "SEVERE"]

    def close(self):
        self.send("DELETE", self.session)
        self.driver.terminate()
        self.driver.wait()


class InBrowser(unittest.TestCase):
    """Opens pages, and fails if one has errors in the console."""

    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()

    def tearDown(self):
        self.assertEqual(self.browser.faults(), [], "errors in the console")

    def open(self, name, **size):
        self.browser.open(FOLDER / f"{name}.html", **size)

    def needs_nothing_but_itself(self, name):
        self.open(name)
        # Images that are part of the page count as resources.
        fetched = "return performance.getEntriesByType('resource').filter(r => !r.name.startsWith('data:')).length"
        self.assertEqual(self.browser.run(fetched), 0)
        self.assertLess((FOLDER / f"{name}.html").stat().st_size, 200_000)


class Page(InBrowser):
    def node(self, name):
        """The selector of the box of a node."""
        at = self.browser.run("return D.nodes.findIndex(n => n[1] == arguments[0])", name)
        self.assertGreaterEqual(at, 0, name)
        return f"g[data-node='{at}']"

    def now(self):
        return self.browser.text("#now")

    def heading(self):
        return self.browser.text("#panel h2")

    def test_needs_nothing_but_itself(self):
        for name in ["worked_example", "network", "program"]:
            self.needs_nothing_but_itself(name)

    def test_a_click_shows_rule_numbers_and_line(self):
        self.open("worked_example")
        self.browser.click(self.node("a1"))
        panel = self.browser.text("#panel")
        for part in ["a1 = sigmoid(z1)", "0.645656", "examples/draw_tape.rs:", "ḡ = 0.218429", "0.25·ḡ·sech2(0.5·z1)",
                     "= 0.228784", "0.049973", "ḡ arrives from"]:
            self.assertIn(part, panel)
        self.browser.click("#panel table a")  # the reader that ḡ arrives from
        self.assertEqual(self.heading(), "#9 = w2·a1")
        self.assertEqual(self.now(), "forward pass", "looking at a box does not move the walk")

    def test_the_slider_walks_the_backward_pass(self):
        self.open("worked_example")
        steps = self.browser.run("return +document.getElementById('step').max")
        self.assertEqual(steps, 13)
        # The links of the chain, as docs/worked_example.md has them.
        arrived = {"z2": "-0.145619", "w2": "-0.0940198", "b2": "-0.145619", "z1": "0.049973", "w1": "0.0249865", "b1": "0.049973"}
        seen = {}
        for step in range(1, steps + 1):
            self.browser.run("const s = document.getElementById('step'); s.value = arguments[0]; s.oninput({target: s})", step)
            name = self.now().split(": ")[1]
            self.assertEqual(self.now(), f"step {step} of {steps}: {name}")
            self.assertEqual(len(self.browser.run("return [...document.querySelectorAll('.n.done')]")), step)
            self.assertEqual(self.browser.run("return document.querySelectorAll('.n.here').length"), 1)
            seen[name] = self.browser.text("#panel dd.cot").removeprefix("ḡ = ")
        self.assertEqual({name: seen[name] for name in arrived}, arrived)

    def test_a_click_on_the_buttons_and_the_range(self):
        self.open("worked_example")
        self.browser.click("#on")
        self.browser.click("#on")
        self.browser.click("#back")
        self.assertEqual(self.now(), "step 1 of 13: L")
        wide = "return document.querySelector('#graph svg').getBoundingClientRect().width"
        before = self.browser.run(wide)
        self.browser.click("#more")
        self.assertGreater(self.browser.run(wide), before)
        self.browser.click("#fit")
        self.assertAlmostEqual(self.browser.run(wide), before, delta=1)

    def test_the_keyboard_does_it_all(self):
        self.open("worked_example")
        self.browser.press("right", "right", "right")
        self.assertEqual(self.now(), "step 3 of 13: #12")
        self.assertEqual(self.heading(), "#12 = y - t")
        self.browser.press("up")
        self.assertEqual(self.heading(), "y = sigmoid(z2)")
        self.browser.press("down")
        self.assertEqual(self.heading(), "#12 = y - t")
        self.browser.press("end")
        self.assertTrue(self.now().startswith("step 13 of 13"))
        self.browser.press("left", "home")
        self.assertEqual(self.now(), "forward pass")
        self.browser.press("escape")
        self.assertIn("derivatives", self.heading())

    def test_the_layers_of_a_network_are_boxes(self):
        self.open("network")
        tags = self.browser.run("return [...document.querySelectorAll('.tag')].map(t => t.textContent)")
        self.assertEqual(tags, ["0: Linear(64, 32)", "1: BatchNorm1d(32)", "3: Linear(32, 10)"])
        self.browser.click(self.node("0.weight"))
        self.assertIn("[32, 64]", self.browser.text("#panel"))
        self.browser.press("right")
        self.assertIn("loss", self.now())

    def test_a_program_has_no_walk(self):
        self.open("program")
        self.assertFalse(self.browser.run("return document.getElementById('walk').checkVisibility()"))
        self.browser.press("up")
        self.assertIn(":", self.heading())

    def test_light_and_dark_wide_and_narrow(self):
        ground = "return getComputedStyle(document.body).backgroundColor"
        for theme, color in [("light", "rgb(255, 255, 255)"), ("dark", "rgb(13, 17, 23)")]:
            self.browser.theme(theme)
            for name in ["worked_example", "network", "program"]:
                self.open(name)
                self.assertEqual(self.browser.run(ground), color)
                self.browser.press(*["right"] * 8)
                self.browser.screenshot(FOLDER / f"{name}-{theme}.png")
        self.open("worked_example", width=500, height=900)
        graph, panel = [self.browser.run("const r = document.getElementById(arguments[0]).getBoundingClientRect();"
                                         "return [r.x, r.y, r.width]", id) for id in ["graph", "panel"]]
        self.assertGreater(panel[1], graph[1], "the panel is below the graph")
        self.assertLessEqual(self.browser.run("return document.documentElement.scrollWidth"),
                             self.browser.run("return innerWidth"), "nothing sticks out")
        self.browser.press(*["right"] * 5)
        self.browser.screenshot(FOLDER / "narrow.png")


class Report(InBrowser):
    """The report of the example mlp."""

    def test_needs_nothing_but_itself(self):
        self.needs_nothing_but_itself("report")

    def test_it_shows_what_it_should(self):
        self.open("report")
        headings = self.browser.run("return [...document.querySelectorAll('h2')].map(h => h.textContent)")
        self.assertEqual(headings[:5], ["Training", "Test", "Confusion matrix", "Model", "Weights"])
        self.assertEqual(len(headings), 7)
        # The graph of the network and the figures, all of which have a size; and every image can be decoded.
        figures = self.browser.run("return [...document.querySelectorAll('section svg')].map(s => s.getBoundingClientRect())")
        self.assertEqual(len(figures), 7)
        self.assertTrue(all(figure["width"] > 200 and figure["height"] > 100 for figure in figures))
        decode = ("const all = [...document.querySelectorAll('image')].map(i => { const image = new Image();"
                  "image.src = i.getAttribute('href'); return image.decode().then(() => image.naturalWidth) });"
                  "return Promise.all(all)")
        widths = self.browser.run(decode)
        self.assertGreater(len(widths), 33)
        self.assertEqual(set(widths), {8, 10})
        texts = self.browser.run("return document.body.innerText")
        for part in ["precision", "2410 trainable parameters", "Linear(64, 32)"]:
            self.assertIn(part, texts)

    def test_light_and_dark_wide_and_narrow(self):
        color = "return getComputedStyle(document.querySelector(arguments[0])).color"
        seen = {}
        for theme in ["light", "dark"]:
            self.browser.theme(theme)
            self.open("report")
            seen[theme] = [self.browser.run(color, selector) for selector in ["h1", ".plot .ink", ".plot .ground", ".plot .s0"]]
            self.browser.run("document.documentElement.style.overflow = 'hidden'")
            self.browser.screenshot(FOLDER / f"report-{theme}.png")
        self.assertTrue(all(light != dark for light, dark in zip(seen["light"], seen["dark"])), seen)
        self.open("report", width=500, height=900)
        self.assertLessEqual(self.browser.run("return document.documentElement.scrollWidth"),
                             self.browser.run("return innerWidth"), "nothing sticks out")


if __name__ == "__main__":
    FOLDER = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else "target/tape")
    unittest.main(verbosity=2)
