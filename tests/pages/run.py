#!/usr/bin/env python3
"""Looks at the pages of reports and plans in Chromium: what their scripts make of the data, keys, accessibility by axe.

    tests/pages/run.py [--binary FILE] [--keep DIRECTORY]
"""

import argparse
import html
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import venv

REPO = pathlib.Path(__file__).resolve().parents[2]
FILES = 10_000
MAX_BYTES = 300_000
# Wide and narrow, in both themes.
WINDOWS = [(1280, 900), (390, 844)]
THEMES = {"light": 1, "dark": 0}
FAILURES = []


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, default=REPO / "target/release/kindling")
    parser.add_argument("--keep", type=pathlib.Path, help="keeps pages and screenshots there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kindling-pages-") as name:
        work = options.keep or pathlib.Path(name)
        work.mkdir(parents=True, exist_ok=True)
        pages = Pages(options.binary.resolve(), work)
        look_at_all(Browser(work, axe_source()), pages, bool(options.keep))
    print(f"{'FAILED' if FAILURES else 'ok'}: {len(FAILURES)} things are wrong")
    return 1 if FAILURES else 0


def check(what, got, want):
    """Notes a difference; the run goes on."""
    if got != want:
        FAILURES.append(what)
        print(f"   FAILED {what}: {got!r} instead of {want!r}")


def axe_source():
    """The accessibility checker, from a package of its own environment."""
    home = REPO / "target/tmp/pages/venv"
    found = list(home.glob("lib/*/site-packages/axe_core_python/axe.min.js"))
    if not found:
        venv.create(home, with_pip=True)
        requirements = REPO / "tests/pages/requirements.txt"
        subprocess.run([home / "bin/pip", "install", "--quiet", "--requirement", requirements], check=True)
        found = list(home.glob("lib/*/site-packages/axe_core_python/axe.min.js"))
    return found[0].read_text()


class Pages:
    """Makes the pages by running the program."""

    def __init__(self, binary, work):
        self.binary = binary
        self.work = work

    def run(self, *arguments, codes=(0,)):
        ran = subprocess.run([self.binary, *map(str, arguments)], cwd=self.work, capture_output=True, text=True)
        assert ran.returncode in codes, f"{arguments} ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}"

    def config(self, name, document):
        path = self.work / name
        path.write_text(json.dumps({"ignition": {"version": "3.4.0"}, **document}))
        return path

    def apply(self, name, document, codes=(0,)):
        root = pathlib.Path(tempfile.mkdtemp(dir=self.work, prefix="root-"))
        config, report, page = self.config(f"{name}.ign", document), self.work / f"{name}.json", self.work / f"{name}.html"
        self.run("apply", "--root", root, "--report", report, config, codes=codes)
        self.run("report", "--html", page, report)
        return page

    def large(self):
        files = [{"path": f"/opt/d{n % 100}/f{n}", "contents": {"source": f"data:,{n}"}} for n in range(FILES)]
        return self.apply("large", {"storage": {"files": files}})

    def failed(self):
        files = [{"path": "/etc/first", "contents": {"source": "data:,hello"}},
                 {"path": "/etc/<b>second</b>", "contents": {
                     "source": (self.work / "nothing").as_uri().replace("file:", "http://127.0.0.1:1", 1)}}]
        return self.apply("failed", {"ignition": {"version": "3.4.0", "timeouts": {"httpTotal": 1}},
                                     "storage": {"files": files}}, codes=(5,))

    def boot(self):
        """A boot of two stages, of which the second one failed."""
        origin = {"source": "user.ign", "line": 3, "column": 5, "path": "$.storage.files.0"}
        operation = {"id": 0, "phase": "files", "act": "write file /etc/motd", "origin": origin, "startUs": 10,
                     "durationUs": 900, "worker": 0, "outcome": "failed", "error": "no space left", "remedy": "make room"}
        stage = {"started": "2026-01-02T03:04:05Z", "durationUs": 1000, "sources": []}
        made = {**operation, "phase": "partitions", "act": "write partition table of /dev/vda", "outcome": "done"}
        del made["error"], made["remedy"]
        report = {"version": 1, "kindling": "0.1.0", "bootId": "b", "started": "2026-01-02T03:04:05Z", "stages": [
            {**stage, "stage": "disks", "outcome": "done", "operations": [made]},
            {**stage, "stage": "files", "outcome": "failed", "error": "files failed", "operations": [operation]}]}
        (self.work / "boot.json").write_text(json.dumps(report))
        self.run("report", "--html", self.work / "boot.html", self.work / "boot.json")
        return self.work / "boot.html"

    def plan(self):
        image = self.work / "disk.img"
        with open(image, "wb") as file:
            file.truncate(1 << 30)
        subprocess.run(["sgdisk", "-n", "1:2048:+256M", "-c", "1:kept", "-n", "2:0:+128M", "-c", "2:old", image],
                       check=True, capture_output=True)
        config = self.config("plan.ign", {
            "storage": {"disks": [{"device": "/dev/vda", "partitions": [
                {"number": 1, "label": "kept", "sizeMiB": 256},
                {"number": 2, "shouldExist": False, "wipePartitionEntry": True},
                {"number": 3, "label": "a<b>&\"c", "sizeMiB": 128}, {"number": 4, "label": "root"}]}],
                "filesystems": [{"device": "/dev/disk/by-partlabel/root", "format": "ext4", "path": "/"}],
                "files": [{"path": "/etc/<i>x</i>", "contents": {"source": "data:,x"}}]}})
        page = self.work / "plan.html"
        self.run("plan", "--html", page, "--image", f"/dev/vda={image}", config, codes=(2,))
        return page


class Browser:
    """Chromium without a window."""

    def __init__(self, work, axe):
        self.work = work
        self.axe = axe

    def chromium(self, page, theme, window, *more):
        width, height = window
        command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                   f"--user-data-dir={self.work / 'profile'}", f"--blink-settings=preferredColorScheme={THEMES[theme]}",
                   f"--window-size={width},{height}", "--virtual-time-budget=20000", *more, page.as_uri()]
        return subprocess.run(command, capture_output=True, text=True, timeout=300).stdout

    def screenshot(self, page, theme, window):
        shot = self.work / f"{page.stem}-{theme}-{window[0]}.png"
        self.chromium(page, theme, window, f"--screenshot={shot}")

    def ask(self, page, theme, window, script):
        """The value that `script`, the body of an asynchronous function, returns in the page when it is ready."""
        # A page without a script of its own allows none.
        text = page.read_text().replace("style-src 'unsafe-inline'\"", "style-src 'unsafe-inline'; script-src 'unsafe-inline'\"")
        probe = f"""<script>{self.axe}</script><script>(async () => {{
            const wait = () => new Promise(done => setTimeout(done, 20));
            const scripted = document.getElementById('data');
            while (scripted && !document.documentElement.dataset.ready) await wait();
            let answer;
            try {{ answer = await (async () => {{ {script} }})(); }} catch (error) {{ answer = {{error: String(error)}}; }}
            document.documentElement.setAttribute('data-answer', JSON.stringify(answer));
        }})();</script>"""
        probed = self.work / f"probed-{page.name}"
        probed.write_text(text.replace("</body>", probe + "</body>"))
        dom = self.chromium(probed, theme, window, "--dump-dom")
        found = re.search(r'data-answer="([^"]*)"', dom)
        assert found, f"{page.name} gave no answer:\n{dom[:2000]}"
        return json.loads(html.unescape(found.group(1)))


AXE = """const found = await axe.run(document);
    return found.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 120)).join(' | '));"""

TEXTS = """const text = id => document.getElementById(id).textContent;
    const rows = id => document.querySelectorAll('#' + id + ' tbody tr').length;
    return {verdict: text('verdict'), about: text('about'), shown: text('shown'), rows: rows('operations'), phases: rows('phases'),
            path: rows('path'), failures: text('failure-list'), hidden: document.getElementById('failures').hidden,
            bold: document.querySelectorAll('main b').length, ms: Math.round(performance.now())};"""

KEYS = """const box = document.getElementById('timeline'), detail = document.getElementById('detail');
    const press = key => { box.dispatchEvent(new KeyboardEvent('keydown', {key})); return detail.textContent; };
    const first = press('ArrowRight'), second = press('ArrowRight'), back = press('ArrowLeft'), before = press('c');
    const whole = document.getElementById('window').textContent;
    press('+');
    const near = document.getElementById('window').textContent;
    press('0');
    return {first, second, back, before, zooms: whole !== near, back_again: document.getElementById('window').textContent === whole};"""

FIND = """const find = document.getElementById('find');
    find.value = 'f4321';
    find.dispatchEvent(new Event('input'));
    const found = document.getElementById('shown').textContent;
    document.querySelector('#operations tbody button').click();
    return {found, detail: document.getElementById('detail').textContent};"""


def look_at_all(browser, pages, shoot):
    made = {"large": pages.large(), "failed": pages.failed(), "boot": pages.boot(), "plan": pages.plan()}
    for name, page in made.items():
        check(f"{name}: readable by its owner only", page.stat().st_mode & 0o777, 0o600)
        check(f"{name}: nothing is loaded", re.findall(r'(?:src|href)="?[^ "]+', page.read_text().split('id="data"')[0]), [])
        for theme in THEMES:
            for window in WINDOWS:
                check(f"{name}, {theme}, {window[0]} wide: axe", browser.ask(page, theme, window, AXE), [])
                if shoot:
                    browser.screenshot(page, theme, window)
        print(f"   {name}: {page.stat().st_size} bytes")
    large(browser, made["large"])
    failed(browser, made["failed"])
    boot(browser, made["boot"])
    plan(browser, made["plan"])


def large(browser, page):
    check("large: at most 300 KB", page.stat().st_size <= MAX_BYTES, True)
    texts = browser.ask(page, "light", WINDOWS[0], TEXTS)
    print(f"   large: drawn {texts['ms']} ms after the page was opened")
    check("large: verdict", texts["verdict"].startswith("Done in "), True)
    check("large: operations of the first page", texts["rows"], 100)
    check("large: no failures", texts["hidden"], True)
    check("large: a critical path", texts["path"] > 1, True)
    keys = browser.ask(page, "light", WINDOWS[0], KEYS)
    check("large: keys", [keys["first"] != keys["second"], keys["first"] == keys["back"], keys["zooms"], keys["back_again"]], [True] * 4)
    found = browser.ask(page, "light", WINDOWS[0], FIND)
    check("large: found", found["found"], "1 operation, page 1 of 1")
    check("large: chosen", "write file /opt/d21/f4321" in found["detail"] and "$.storage.files.4321" in found["detail"], True)


def failed(browser, page):
    texts = browser.ask(page, "light", WINDOWS[0], TEXTS)
    check("failed: verdict", texts["verdict"].startswith("Failed after "), True)
    check("failed: the cause is first", "/etc/<b>second</b>" in texts["failures"] and "$.storage.files.1" in texts["failures"], True)
    check("failed: nothing from the config is HTML", texts["bold"], 0)


def boot(browser, page):
    texts = browser.ask(page, "dark", WINDOWS[1], TEXTS)
    check("boot: operations of both stages", [texts["rows"], texts["phases"]], [2, 2])
    check("boot: what failed, once", texts["failures"].count("no space left"), 1)
    check("boot: hint", "make room" in texts["failures"], True)


def plan(browser, page):
    asked = browser.ask(page, "light", WINDOWS[0], """
        const bars = [...document.querySelectorAll('.bar')].map(bar => bar.getAttribute('aria-label'));
        const widths = [...document.querySelectorAll('.bar span')].map(span => span.style.width);
        return {bars, widths, text: document.body.textContent, italics: document.querySelectorAll('i').length,
                losses: document.querySelector('.failure').textContent};""")
    check("plan: bars", asked["bars"], ["before, 1 GiB: 1 kept 256 MiB, 2 old 128 MiB", 'after, 1 GiB: 1 kept 256 MiB, 3 a<b>&"c 128 MiB, 4 root 638.9 MiB'])
    check("plan: to scale", "25%" in asked["widths"] and "12.5%" in asked["widths"], True)
    check("plan: nothing from the config is HTML", asked["italics"], 0)
    check("plan: the tree", "/etc/<i>x</i>" in asked["text"], True)
    check("plan: what is destroyed is first", 'partition 2 of /dev/vda ("old")' in asked["losses"], True)


if __name__ == "__main__":
    sys.exit(main())
