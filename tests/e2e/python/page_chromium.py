"""The page of iot-jobs-local in a real browser: what people see, live, and what a page must never do.

Needs Chromium and its driver, selenium, boto3, and a stage with an agent that is the thing THING_NAME:

    stage -- python3 tests/e2e/python/page_chromium.py
"""

import json
import os
import shutil
import socket
import subprocess
import unittest
import urllib.request
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import boto3
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
AGENT = os.environ["THING_NAME"]
REGION = "eu-west-1"
ACCOUNT = "123456789012"
SECONDS = 30
HOSTILE = "<script>window.ran = 1</script><img src=x onerror='window.ran = 2'>"
# A telephone's.
NARROW = (360, 780)
WIDE = (1280, 900)


def clients(endpoint):
    access = dict(endpoint_url=endpoint, region_name=REGION, aws_access_key_id="local", aws_secret_access_key="local")
    return boto3.client("iot", **access), boto3.client("iot-jobs-data", **access)


IOT, DATA = clients(ENDPOINT)


def arn(thing):
    return f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/{thing}"


def local(path, body):
    request = urllib.request.Request(f"{ENDPOINT}/_local/{path}", data=json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def chromium():
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--force-prefers-reduced-motion"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


class Tab:
    """A browser at the page of one service."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.driver = chromium()
        self.resize(*WIDE)

    def open(self, route=""):
        self.driver.get("about:blank")
        self.driver.get(f"{self.endpoint}/#/{route}")
        self.until(lambda: not self.find("#view").get_attribute("aria-busy"), "the page to be drawn")
        self.run("window.opened = true")

    def resize(self, width, height):
        metrics = dict(width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def until(self, condition, what):
        wait = WebDriverWait(self.driver, SECONDS, poll_frequency=0.05, ignored_exceptions=[Exception])
        return wait.until(lambda _: condition(), f"waited in vain for {what}; the page says:\n{self.text()}")

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def link(self, text):
        return self.driver.find_element(By.LINK_TEXT, text)

    def text(self, selector="main"):
        # In one step, as the page may be redrawn between two.
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def shows(self, text, selector="main"):
        return self.until(lambda: text in self.text(selector), repr(text))

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def press(self, *keys):
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def focused(self):
        return self.driver.switch_to.active_element

    def is_same_document(self):
        return self.run("return window.opened === true")


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tab = Tab(ENDPOINT)
        cls.addClassCleanup(cls.tab.driver.quit)

    def tearDown(self):
        self.tab.resize(*WIDE)
        self.assertEqual([entry["message"] for entry in self.tab.driver.get_log("browser")], [])
        self.assertEqual(self.foreign_requests(), [])

    def foreign_requests(self):
        """The requests since the last call that went anywhere but to the service."""
        events = [json.loads(entry["message"])["message"] for entry in self.tab.driver.get_log("performance")]
        sent = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
        self.assertTrue(sent, "the page was watched, and asked for something")
        return [url for url in sent if url != "about:blank" and urlsplit(url).netloc != urlsplit(ENDPOINT).netloc]

    def test_things_and_jobs_appear_and_change_without_a_reload(self):
        tab = self.tab
        tab.open()
        IOT.create_thing(thingName="lamp-1")
        tab.shows("lamp-1")
        IOT.create_job(jobId="dim", targets=[arn("lamp-1")], document="{}", description="Dims the lamp")
        tab.shows("Dims the lamp")
        card = '[data-key="dim"]'
        tab.shows("0 of 1 over", card)
        DATA.start_next_pending_job_execution(thingName="lamp-1")
        DATA.update_job_execution(jobId="dim", thingName="lamp-1", status="SUCCEEDED")
        tab.shows("1 of 1 over", card)
        tab.shows("completed", card)
        self.assertTrue(tab.is_same_document())

    def test_a_device_that_connects_is_shown(self):
        self.tab.open(f"things/{AGENT}")
        self.tab.shows("connected", ".title")

    def test_the_agents_execution_is_told_from_its_beginning_to_its_end(self):
        tab = self.tab
        tab.open("jobs")
        IOT.create_job(jobId="unheard-of", targets=[arn(AGENT)], document='{"operation":"unheard-of"}')
        tab.until(lambda: tab.link("unheard-of").click() or True, "the job's link")
        tab.until(lambda: tab.link(AGENT).click() or True, "the execution's link")
        tab.shows("rejected", ".title")
        headings = [heading.text for heading in tab.all(".timeline h3")]
        self.assertEqual(headings[:2], ["Queued", "Offered to the device"])
        self.assertEqual(headings[-1], "Reported rejected")
        self.assertIn("unsupported_operation", tab.text(".timeline"))
        offsets = [offset.text for offset in tab.all(".timeline .offset b")]
        self.assertEqual(offsets[0], "0")
        self.assertTrue(all(offset == "0" or offset.startswith("+") for offset in offsets), offsets)
        self.assertTrue(tab.is_same_document())

    def test_a_timeline_grows_while_it_is_read(self):
        tab = self.tab
        IOT.create_thing(thingName="pump-1")
        IOT.create_job(jobId="prime", targets=[arn("pump-1")], document="{}")
        tab.open("jobs/prime/things/pump-1")
        tab.shows("Waits for the device to begin")
        tab.shows("pump-1 is not connected")
        DATA.start_next_pending_job_execution(thingName="pump-1", stepTimeoutInMinutes=5)
        tab.shows("It times out by the step timer in")
        details = {"progress": "40 %"}
        DATA.update_job_execution(jobId="prime", thingName="pump-1", status="IN_PROGRESS", statusDetails=details)
        tab.shows("40 %", ".timeline")
        refused = dict(jobId="prime", thingName="pump-1", status="SUCCEEDED", expectedVersion=9)
        with self.assertRaises(DATA.exceptions.InvalidRequestException):
            DATA.update_job_execution(**refused)
        tab.shows("Update refused: VersionMismatch")
        self.assertIn("Expected version 9 but found version 3", tab.text(".timeline"))
        IOT.cancel_job(jobId="prime", force=True, reasonCode="DRY", comment="no water")
        tab.shows("DRY: no water")
        self.assertTrue(tab.is_same_document())

    def test_a_job_on_hold_waits_for_its_turn(self):
        tab = self.tab
        self.addCleanup(local, "knobs", {"atConcurrencyLimit": "refuse", "quotas.concurrentJobs": 500})
        local("knobs", {"atConcurrencyLimit": "hold", "quotas.concurrentJobs": 1})
        things = ["fan-1", "fan-2"]
        for thing in things:
            IOT.create_thing(thingName=thing)
        slow = dict(targets=[arn(thing) for thing in things], document="{}", jobExecutionsRolloutConfig={"maximumPerMinute": 1})
        for job in ["rolls-out", "on-hold"]:
            IOT.create_job(jobId=job, **slow)
        tab.open("jobs/rolls-out")
        tab.shows("The next batch is due")
        tab.open("jobs/on-hold")
        tab.shows("The job waits for its turn: as many jobs roll out as may. 2 things wait to be reached.")
        tab.shows("No execution yet: the job waits for its turn.")
        self.assertNotIn("next batch", tab.text())
        IOT.cancel_job(jobId="rolls-out", force=True)

    def test_what_others_say_is_text_and_never_runs(self):
        tab = self.tab
        IOT.create_thing(thingName="hostile-1")
        document = json.dumps({"operation": HOSTILE})
        IOT.create_job(jobId="hostile", targets=[arn("hostile-1")], document=document, description=HOSTILE)
        DATA.start_next_pending_job_execution(thingName="hostile-1", statusDetails={"message": HOSTILE})
        url = "https://h/b/k?X-Amz-Signature=c0ffee"
        DATA.update_job_execution(jobId="hostile", thingName="hostile-1", status="FAILED", statusDetails={"why": HOSTILE, "url": url})
        for route in ["", "jobs", "jobs/hostile", "jobs/hostile/things/hostile-1"]:
            tab.open(route)
            tab.shows(HOSTILE)
            self.assertEqual(tab.run("return document.querySelectorAll('main script, main img').length"), 0, route)
            self.assertIsNone(tab.run("return window.ran"), route)
        self.assertIn("https://h/b/k?<redacted>", tab.text())
        self.assertNotIn("c0ffee", tab.driver.page_source)
        tab.open("things/%3Cscript%3Ewindow.ran=3%3C%2Fscript%3E")
        tab.shows("Not here")
        self.assertIsNone(tab.run("return window.ran"))
        # What a missing thing causes is a message of the browser's own, and expected here.
        told = [entry["message"] for entry in tab.driver.get_log("browser")]
        self.assertTrue(told and all("404" in message for message in told), told)

    def test_no_script_can_be_put_into_the_page(self):
        tab = self.tab
        tab.open()
        blocked = tab.run("try { document.body.innerHTML = '<b>'; return false } catch { return true }")
        self.assertTrue(blocked, "text became HTML")
        tab.run("const s = document.createElement('style'); s.textContent = '*{}'; document.head.append(s)")
        self.assertEqual(tab.run("return document.styleSheets.length"), 1)
        told = [entry["message"] for entry in tab.driver.get_log("browser")]
        self.assertTrue(told and all("Content Security Policy" in message or "TrustedHTML" in message for message in told), told)

    def test_many_things_are_searched_and_shown_bit_by_bit(self):
        tab = self.tab
        for number in range(120):
            IOT.create_thing(thingName=f"meter-{number:03}")
        tab.open("things?search=METER")
        self.assertEqual(len(tab.all("tbody tr")), 100)
        tab.find("main button").click()
        tab.until(lambda: len(tab.all("tbody tr")) == 120, "the rest of the list")
        tab.find("input[type=search]").send_keys("-11")
        tab.until(lambda: len(tab.all("tbody tr")) == 10, "the things that fit")
        self.assertIn("search=METER-11", tab.driver.current_url)
        Select(tab.find("select")).select_by_visible_text("connected")
        tab.until(lambda: len(tab.all("tbody tr")) == 0, "no thing that is connected")

    def test_the_keyboard_leads_everywhere(self):
        tab = self.tab
        IOT.create_thing(thingName="door-1")
        IOT.create_job(jobId="lock", targets=[arn("door-1")], document="{}")
        tab.open("jobs")
        tab.press(Keys.TAB)
        self.assertEqual(tab.focused().text, "Skip to the content")
        tab.press(Keys.ENTER)
        self.assertEqual(tab.focused().get_attribute("id"), "view")
        tab.press("/")
        self.assertEqual(tab.focused().get_attribute("name"), "search")
        tab.press("lock")
        tab.until(lambda: [card.get_attribute("data-key") for card in tab.all(".card")] == ["lock"], "the job alone")
        self.assertEqual(tab.focused().get_attribute("name"), "search")
        tab.press(Keys.TAB, Keys.TAB)
        self.assertEqual(tab.focused().text, "lock")
        outline = tab.run("return getComputedStyle(document.activeElement).outlineStyle")
        self.assertEqual(outline, "solid")
        tab.press(Keys.ENTER)
        tab.until(lambda: tab.focused().tag_name == "h1" and tab.focused().text == "lock", "the job's heading")

    def test_everything_that_can_be_used_has_a_name(self):
        for route in ["", "jobs", "things", f"things/{AGENT}"]:
            self.tab.open(route)
            used = self.tab.all("a, button, input, select, [role=img], meter, nav, main")
            self.assertEqual([one.get_attribute("outerHTML") for one in used if one.is_displayed() and one.aria_role != "main" and not one.accessible_name], [])

    def test_a_narrow_window_needs_no_sideways_scrolling(self):
        tab = self.tab
        thing, job = "t" * 128, "j" * 64
        IOT.create_thing(thingName=thing)
        IOT.create_job(jobId=job, targets=[arn(thing)], document=json.dumps({"operation": "x" * 300}))
        details = {"k" * 128: "v" * 1024}
        DATA.start_next_pending_job_execution(thingName=thing, statusDetails=details)
        tab.resize(*NARROW)
        for route in ["", "jobs", f"jobs/{job}", "things", f"things/{thing}", f"jobs/{job}/things/{thing}/1"]:
            tab.open(route)
            window, shown, content = tab.run(
                "const { clientWidth, scrollWidth } = document.documentElement; return [innerWidth, clientWidth, scrollWidth]"
            )
            self.assertEqual((window, content), (NARROW[0], shown), route)

    def test_dark_and_light_differ(self):
        grounds = set()
        for scheme in ["light", "dark"]:
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            self.tab.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            self.tab.open()
            grounds.add(self.tab.run("return getComputedStyle(document.body).backgroundColor"))
        self.assertEqual(len(grounds), 2)

    def test_a_clock_that_stands_or_was_stepped_says_so(self):
        tab = self.tab
        tab.open()
        self.addCleanup(local, "clock", {"frozen": False})
        local("clock", {"advance": 7200, "frozen": True})
        tab.shows("stands still", "#clock")
        tab.shows("ahead", "#clock")
        local("clock", {"frozen": False})
        tab.until(lambda: "stands still" not in tab.text("#clock"), "the clock to go on")

    def test_times_beyond_the_browsers_calendar_are_told(self):
        self.tab.open()
        tell = """
            const [at, done] = arguments;
            import("/_local/page/text.js").then(
                ({ absolute, dayOf, distance, timeOfDay }) => done([absolute(at), dayOf(at), timeOfDay(at), distance(at)]),
                (error) => done(String(error)));
        """
        last, beyond = 8_640_000_000_000_000, 2**64 - 1
        end = ["+275760-09-13 00:00:00.000 UTC", "+275760-09-13", "00:00:00"]
        self.assertEqual(self.tab.driver.execute_async_script(tell, last)[:3], end)
        told = self.tab.driver.execute_async_script(tell, beyond)
        self.assertEqual(told[:3], [f"after {end[0]}", f"after {end[1]}", end[2]])
        self.assertRegex(told[3], r"^in \d+ d")

    def test_a_clock_that_runs_faster_says_so_and_is_shown_at_its_pace(self):
        tab = self.tab
        tab.open()
        self.addCleanup(local, "clock", {"scale": 1})
        local("clock", {"scale": 3600})
        tab.shows("3,600 times as fast", "#clock")
        # No answer says what time it is by now: the page counts by itself.
        shown = "return document.querySelector('#clock .day').textContent + 'T' + document.querySelector('#clock .hands').textContent + 'Z'"
        hour, before = timedelta(hours=1), datetime.fromisoformat(tab.run(shown))
        tab.until(lambda: datetime.fromisoformat(tab.run(shown)) - before > hour, "an hour to pass within seconds")
        local("clock", {"scale": 0.5})
        tab.shows("0.5 times as fast", "#clock")
        local("clock", {"scale": 1})
        tab.until(lambda: "times as fast" not in tab.text("#clock"), "the clock to run as the machine's")


class Restart(unittest.TestCase):
    """A service of its own, which goes away and comes back."""

    def start(self):
        self.process = subprocess.Popen(
            [os.environ["IOT_JOBS_LOCAL"], "--http", f"127.0.0.1:{self.port}", "--mqtt", "127.0.0.1:0", "--log", "error"]
        )
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)

    def setUp(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.start()
        self.tab = Tab("about:blank")
        self.addCleanup(self.tab.driver.quit)
        self.tab.endpoint = self.endpoint
        wait = WebDriverWait(None, SECONDS, poll_frequency=0.05, ignored_exceptions=[OSError])
        wait.until(lambda _: urllib.request.urlopen(f"{self.endpoint}/_local/health", timeout=5))

    def test_a_page_says_that_the_service_is_gone_and_recovers(self):
        tab, (iot, _) = self.tab, clients(self.endpoint)
        tab.open()
        tab.shows("There is no thing yet")
        tab.shows(f"export AWS_ENDPOINT_URL={self.endpoint}")
        iot.create_thing(thingName="before")
        tab.shows("before", ".roster")
        self.process.terminate()
        tab.shows("gone, retrying", "#link")
        tab.shows("The service is gone. Retrying", "#gone")
        self.assertIn("before", tab.text(".roster"))
        self.assertEqual(self.process.wait(SECONDS), 0)
        self.start()
        tab.until(lambda: tab.text("#link") == "live" and not tab.find("#gone").is_displayed(), "the page to recover")
        tab.shows("There is no thing yet")
        iot.create_thing(thingName="after")
        tab.shows("after", ".roster")
        self.assertTrue(tab.is_same_document())


if __name__ == "__main__":
    unittest.main(verbosity=2)
