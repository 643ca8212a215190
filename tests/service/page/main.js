// Which view is shown, and when it is shown anew.

import { h, morph, tickTimes } from "./dom.js";
import { execution } from "./execution.js";
import { job, jobs } from "./jobs.js";
import { get, Gone, listen, NotFound, RETRY_AFTER } from "./live.js";
import { overview } from "./overview.js";
import { clock, dayOf, span, timeOfDay } from "./text.js";
import { thing, things } from "./things.js";

// The first that fits is shown; a colon stands before a name.
const ROUTES = [
    ["", "overview", overview],
    ["jobs", "jobs", jobs],
    ["jobs/:job", "jobs", job],
    ["jobs/:job/things/:thing", "jobs", execution],
    ["jobs/:job/things/:thing/:number", "jobs", execution],
    ["things", "things", things],
    ["things/:thing", "things", thing],
];
// A clock that is so far from the machine's was stepped.
const STEPPED = 2000;
const TITLE = "iot-jobs-local";

const page = {
    view: document.getElementById("view"),
    clock: document.getElementById("clock"),
    link: document.getElementById("link"),
    gone: document.getElementById("gone"),
};

function decode(text) {
    try {
        return decodeURIComponent(text);
    } catch {
        return text;
    }
}

// What the address after the # asks for.
function route() {
    const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
    const segments = path.split("/");
    for (const [pattern, section, view] of ROUTES) {
        const names = pattern.split("/");
        const fits = names.length === segments.length
            && names.every((name, index) => name.startsWith(":") || name === segments[index]);
        if (!fits) continue;
        const labels = names.map((name, index) => [name.slice(1), decode(segments[index])]);
        const params = Object.fromEntries(labels.filter((_, index) => names[index].startsWith(":")));
        return { section, view, params, query: new URLSearchParams(query), path };
    }
    return { section: null, view: nowhere, params: {}, query: new URLSearchParams(), path };
}

async function nowhere() {
    throw new NotFound("This page has no such part.");
}

function failure(error) {
    if (!(error instanceof NotFound)) console.warn(error);
    return {
        title: "Not found",
        nodes: [
            h("h1", { tabindex: "-1" }, error instanceof NotFound ? "Not here" : "That went wrong"),
            h("p", {}, error.message),
            h("p", {}, h("a", { href: "#/" }, "Back to the overview")),
        ],
    };
}

let shown = null, running = false, again = false, retry = null;

// Shows what the address asks for; what changes meanwhile is shown right after.
async function show() {
    if (running) {
        again = true;
        return;
    }
    running = true;
    try {
        do {
            again = false;
            await showOnce();
        } while (again);
    } finally {
        running = false;
    }
}

async function showOnce() {
    const asked = route();
    let content;
    try {
        const whole = await get("overview");
        clock.set(whole);
        content = await asked.view({ ...asked, whole, refresh: show });
    } catch (error) {
        // What was shown stays, as nobody knows better.
        if (error instanceof Gone) return wait();
        content = failure(error);
    }
    setState("live");
    if (route().path !== asked.path) {
        again = true;
        return;
    }
    const moved = shown !== asked.path;
    shown = asked.path;
    document.title = content.title ? `${content.title} · ${TITLE}` : TITLE;
    for (const link of document.querySelectorAll("[data-section]")) {
        const here = link.dataset.section === asked.section;
        here ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
    }
    present(content.nodes, moved);
    tick();
}

function present(nodes, moved) {
    const view = h("main", { id: "view", tabindex: "-1" }, nodes);
    const first = page.view.hasAttribute("aria-busy");
    if (!moved) return morph(page.view, view);
    page.view.replaceChildren(...view.childNodes);
    page.view.removeAttribute("aria-busy");
    if (first) return;
    scrollTo(0, 0);
    page.view.querySelector("h1")?.focus({ preventScroll: true });
}

function wait() {
    setState("gone");
    clearTimeout(retry);
    retry = setTimeout(show, RETRY_AFTER);
}

function setState(state) {
    if (document.body.dataset.state === state) return;
    document.body.dataset.state = state;
    page.link.textContent = state === "live" ? "live" : "gone, retrying";
    page.gone.hidden = state === "live";
    page.gone.textContent = `The service is gone. Retrying; what is shown is from ${timeOfDay(clock.now())} UTC.`;
}

function tick() {
    const now = tickTimes();
    const ahead = now - Date.now();
    const offset = Math.abs(ahead) < STEPPED ? null : `${span(Math.abs(ahead))} ${ahead > 0 ? "ahead" : "behind"}`;
    const pace = clock.frozen ? "stands still" : clock.scale === 1 ? null : `${clock.scale.toLocaleString("en", { maximumSignificantDigits: 6 })} times as fast`;
    const notes = [pace, offset].filter((note) => note !== null);
    morph(page.clock, h("div", { class: "clock", id: "clock", title: "The service’s clock", "data-frozen": clock.frozen },
        h("span", { class: "day" }, dayOf(now)),
        " ",
        h("span", { class: "hands" }, timeOfDay(now)),
        " ",
        h("span", { class: "zone" }, "UTC"),
        notes.length ? h("span", { class: "note" }, notes.join(", ")) : null));
}

// A slash goes to the search, as on many sites.
function shortcut(event) {
    const typing = event.target.closest?.("input, select, textarea");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const search = document.querySelector("input[type=search]");
    if (!search) return;
    event.preventDefault();
    search.focus();
}

function skip(event) {
    event.preventDefault();
    page.view.focus();
}

addEventListener("hashchange", show);
addEventListener("keydown", shortcut);
document.querySelector(".skip").onclick = skip;
document.addEventListener("visibilitychange", () => document.hidden || show());
setInterval(tick, 1000);
listen(() => document.hidden || show());
show();
