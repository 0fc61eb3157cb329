"""Opens a page in headless Chromium, tries it out, takes screenshots, and prints what it found as one JSON object.

    browser.py PAGE.html FOLDER [--browser PROGRAM]

Speaks the DevTools protocol over a pipe, so that nothing but Chromium and Python's own library is needed. The browser may
reach no network: no name resolves, and every request is reported.
"""

import argparse
import base64
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECONDS = 180


class Browser:
    def __init__(self, program, profile):
        # the child reads commands from its descriptor 3 and writes to 4, whatever they are called here
        to_child, commands = os.pipe()
        answers, from_child = os.pipe()
        script = f"exec 3<&{to_child} 4>&{from_child}; exec \"$@\""
        self.process = subprocess.Popen(
            [
                "bash", "-c", script, "bash", program, "--headless", "--remote-debugging-pipe", "--no-sandbox",
                "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
                "--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking",
                "--disable-component-update", f"--user-data-dir={profile}", "about:blank",
            ],
            pass_fds=[to_child, from_child], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=profile,
        )
        os.close(to_child)
        os.close(from_child)
        self.commands, self.answers = commands, answers
        self.buffer, self.number, self.events, self.session = b"", 0, [], None

    def _message(self, until):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.answers], [], [], max(0, until - time.monotonic()))
            if not ready:
                raise TimeoutError("the browser does not answer")
            piece = os.read(self.answers, 1 << 20)
            if not piece:
                raise RuntimeError("the browser ended: " + self.process.stderr.read().decode(errors="replace")[-2000:])
            self.buffer += piece
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + SECONDS
        while True:
            answer = self._message(until)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method):
        until = time.monotonic() + SECONDS
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self._message(until))

    def run(self, script):
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def screenshot(self, path, height=None):
        clip = {}
        if height is None:
            height = self.run("document.documentElement.scrollHeight")
        width = self.run("innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, 16_000), "scale": 1}
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        Path(path).write_bytes(base64.b64decode(shot["data"]))

    def size(self, width, height, phone=False):
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone
        )

    def colours(self, scheme):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])


COLUMN = """
(name) => {
  const table = document.getElementById('class-table');
  const heads = [...table.tHead.rows[0].cells];
  const column = heads.findIndex((head) => head.textContent.trim().startsWith(name));
  return { table, head: heads[column], values: () => [...table.tBodies[0].rows].map((row) => row.cells[column].textContent) };
}
"""


def try_out(browser):
    """Sorts, sorts the other way and searches, as a person would."""
    column = f"({COLUMN})"
    found = {}
    for name in ("F1", "class", "images"):
        script = f"""(() => {{ const it = {column}({json.dumps(name)}); const before = it.values();
            it.head.querySelector('[role=button]').click(); const up = it.values(); const upSort = it.head.ariaSort;
            it.head.querySelector('[role=button]').click(); const down = it.values();
            return {{ before, up, down, upSort, downSort: it.head.ariaSort }}; }})()"""
        found[name] = browser.run(script)
    search = """(wanted) => { const field = document.getElementById('search'); field.value = wanted;
        field.dispatchEvent(new Event('input'));
        return { shown: [...document.querySelectorAll('#class-table tbody tr')].filter((row) => row.checkVisibility()).length,
                 found: document.getElementById('found').textContent }; }"""
    found["search"] = browser.run(f"({search})(document.querySelector('#class-table tbody th').textContent)")
    found["search_nothing"] = browser.run(f"({search})('no class is called like this')")
    found["search_ended"] = browser.run(f"({search})('')")
    return found


# texts of drawings that are not whole within their drawing
CLIPPED = """
[...document.querySelectorAll('svg text')].filter((text) => {
  const [outer, inner] = [text.ownerSVGElement.getBoundingClientRect(), text.getBoundingClientRect()];
  return inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1;
}).map((text) => text.textContent)
"""

OPENED = """
(link) => {
  link.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }));
  const dialog = document.getElementById('opened');
  const found = { open: dialog.open, title: document.getElementById('opened-title').textContent,
    note: document.getElementById('opened-note').textContent, query: document.getElementById('opened-query').textContent,
    pairs: [...dialog.querySelectorAll('.shot')].map((shot) => [shot.dataset.t, shot.dataset.p]),
    pictures: dialog.querySelectorAll('img').length };
  return found;
}
"""


def open_pictures(browser, folder):
    """What a cell of the matrix, a class and a confused pair open."""
    found = {}
    places = {
        "cell": "[...document.querySelectorAll('.heatmap a:not([tabindex])')].find((a) => a.querySelector('.wrong'))",
        "class": "document.querySelector('#class-table th a')",
        "pair": "document.querySelector('.pairs th a')",
    }
    for name, place in places.items():
        if browser.run(f"{place} != null"):
            found[name] = browser.run(f"({OPENED})({place})")
            found[name]["href"] = browser.run(f"{place}.getAttribute('href')")
            if name == "class":
                browser.screenshot(folder / "opened.png", 900)
            browser.run("document.getElementById('opened').close()")
    return found


CONTRAST = """
(() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = (element) => { for (; element; element = element.parentElement) {
    const c = rgb(getComputedStyle(element).backgroundColor); if (c.length < 4 || c[3] > 0.99) return c.slice(0, 3); } return [255, 255, 255]; };
  let worst = { ratio: 99 };
  for (const element of document.body.querySelectorAll('*')) {
    if (element.closest('svg') || element.closest('.hidden') || !element.checkVisibility()) continue;
    if (![...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(rgb(style.color).slice(0, 3)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst.ratio) worst = { ratio, text: element.textContent.slice(0, 60), element: element.className || element.tagName };
  }
  return worst;
})()
"""


def look(browser, page, folder):
    browser.session = None
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    browser.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Network"):
        browser.call(f"{domain}.enable")
    browser.size(1280, 900)
    browser.colours("light")
    browser.call("Page.navigate", url=page.resolve().as_uri())
    browser.wait_for("Page.loadEventFired")
    found = {"title": browser.run("document.title")}
    found["contrast_light"] = browser.run(CONTRAST)
    browser.screenshot(folder / "light.png")
    browser.colours("dark")
    found["contrast_dark"] = browser.run(CONTRAST)
    browser.screenshot(folder / "dark.png")
    browser.colours("light")
    browser.size(390, 844, phone=True)
    found["phone_width"] = browser.run("document.documentElement.scrollWidth")
    browser.screenshot(folder / "phone.png")
    browser.size(1280, 900)
    if browser.run("document.getElementById('class-table') !== null"):
        found.update(try_out(browser))
    found["clipped"] = browser.run(CLIPPED)
    if browser.run("document.getElementById('opened') !== null"):
        found["opened"] = open_pictures(browser, folder)
    if browser.run("document.getElementById('map-search') !== null"):
        search = "document.getElementById('map-search')"
        browser.run(f"{search}.value = document.querySelector('#map title').textContent; {search}.dispatchEvent(new Event('input'))")
        found["map"] = browser.run("document.querySelectorAll('#map circle:not(.faint)').length")
        browser.run(f"{search}.value = ''; {search}.dispatchEvent(new Event('input'))")
    found["pictures"] = browser.run("[...document.images].filter((image) => !image.closest('dialog')).length")
    found["broken_pictures"] = browser.run("[...document.images].filter((image) => image.naturalWidth === 0).length")
    found["beside"] = browser.run("document.querySelectorAll('.beside img').length")
    found["scripts"] = browser.run("document.scripts.length")
    pdf = browser.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
    (folder / "print.pdf").write_bytes(base64.b64decode(pdf["data"]))
    browser.run("new Promise((done) => setTimeout(done, 200))")
    requests = [e["params"]["request"]["url"] for e in browser.events if e.get("method") == "Network.requestWillBeSent"]
    found["requests"] = [url for url in requests if not url.startswith("data:")]
    found["errors"] = [
        e["params"] for e in browser.events
        if e.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")
    ]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--browser", required=True)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(arguments.browser, profile)
        try:
            found = look(browser, arguments.page, arguments.folder)
            browser.session = None
            browser.call("Browser.close")
        finally:
            try:
                browser.process.wait(10)
            except subprocess.TimeoutExpired:
                browser.process.kill()
                browser.process.wait()
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
