// One execution: where it stands, and what happened to it, in order.

import { chip, connection, crumbs, facts, h, when } from "./dom.js";
import { get, NotFound, path } from "./live.js";
import { absolute, clock, count, iso, span, timeOfDay, words } from "./text.js";

const ORIGINS = {
    joined: "its thing joined the job’s targets",
    retried: "another try after a failure",
    rolledOut: "the job was rolled out to its thing",
};
const CANCELERS = {
    execution: "by CancelJobExecution",
    job: "with its job",
    schedule: "at the end of the job’s schedule",
};
const TIMERS = { inProgress: "the job’s timer", step: "the step timer" };
const IS_PERCENTAGE = /^(\d{1,3}(?:\.\d+)?) ?%?$/;

export async function execution({ params }) {
    const name = path("jobs", params.job, "things", params.thing);
    const [found, thing] = await Promise.all([
        get(params.number === undefined ? name : `${name}/${encodeURIComponent(params.number)}`),
        presence(params.thing),
    ]);
    const nodes = [
        crumbs(["Jobs", "#/jobs"], [found.jobId, `#/${path("jobs", found.jobId)}`]),
        h("div", { class: "title" },
            h("h1", { tabindex: "-1" }, found.jobId, h("span", { class: "quiet" }, " on "), found.thingName),
            chip(found.status),
            thing === undefined ? h("span", { class: "quiet" }, "thing deleted") : connection(thing)),
        tries(found, name),
        strip(found),
        facts([
            ["Queued", when(found.queuedAt)],
            ["Started", found.startedAt === null ? null : when(found.startedAt)],
            [found.waits.for === "nothing" ? "Ended" : "Changed", when(found.lastUpdatedAt)],
            ["Number", `#${found.executionNumber}`],
            ["Version", found.versionNumber],
            ["Namespace", found.namespaceId],
            ["Thing", h("a", { href: `#/${path("things", found.thingName)}` }, found.thingName)],
        ]),
        details(found.statusDetails),
        h("h2", {}, "Timeline"),
        timeline(found, thing, name),
    ];
    return { title: `${found.jobId} on ${found.thingName}`, nodes };
}

// Whether the thing is connected; undefined if there is no such thing any more.
async function presence(name) {
    try {
        return (await get(path("things", name))).row.connected;
    } catch (error) {
        if (error instanceof NotFound) return undefined;
        throw error;
    }
}

function tries(found, name) {
    if (found.numbers.length < 2) return null;
    const links = found.numbers.map((number) => h("li", { "data-key": number },
        h("a", { href: `#/${name}/${number}`, "aria-current": number === found.executionNumber ? "page" : null }, `#${number}`)));
    return h("nav", { class: "tries", "aria-label": "Executions of this job on this thing" }, h("ol", {}, links));
}

// How long the execution waited, and how long it was worked on, with a mark for each entry.
function strip(found) {
    const end = found.waits.for === "nothing" ? found.lastUpdatedAt : Math.max(clock.now(), found.lastUpdatedAt);
    const whole = Math.max(1, end - found.queuedAt);
    const begun = found.startedAt ?? end;
    const place = (at) => `${(100 * (at - found.queuedAt)) / whole}%`;
    const part = (kind, from, to, text) => h("div", { class: `part ${kind}`, vars: { "--from": place(from), "--share": `${(100 * (to - from)) / whole}%` } },
        h("span", {}, text));
    const worked = found.startedAt !== null && found.status !== "QUEUED";
    const parts = [part("waited", found.queuedAt, begun, `waited ${span(begun - found.queuedAt)}`)];
    if (worked) parts.push(part(`worked is-${found.status}`, begun, end, `worked ${span(end - begun)}`));
    const marks = found.timeline.map((entry) => h("i", { vars: { "--from": place(Math.min(entry.at, end)) } }));
    const label = `Waited ${span(begun - found.queuedAt)}${worked ? `, worked ${span(end - begun)}` : ""}`;
    const redraw = () => strip(found);
    return h("div", { class: "strip", role: "img", "aria-label": label, "data-redrawn": true, redraw }, parts, h("div", { class: "marks" }, marks));
}

function details(pairs) {
    const entries = Object.entries(pairs);
    if (entries.length === 0) return null;
    return h("section", { class: "panel", "aria-label": "Status details" },
        h("h2", {}, "Status details"),
        h("dl", { class: "pairs" }, entries.map(([key, value]) => pair(key, value))));
}

function pair(key, value) {
    const percent = /progress|percent/i.test(key) ? IS_PERCENTAGE.exec(value ?? "") : null;
    const share = percent && Number(percent[1]) <= 100 ? h("meter", { min: 0, max: 100, value: percent[1], "aria-label": key }) : null;
    return h("div", { "data-key": key }, h("dt", {}, key), h("dd", {}, value ?? h("span", { class: "quiet" }, "no longer there"), share));
}

function timeline(found, thing, name) {
    const items = [];
    let before = null;
    found.timeline.forEach((entry, index) => {
        if (found.leftOut > 0 && index === found.leftOutAfter) {
            items.push(h("li", { class: "left-out", "data-key": "left-out" }, `${count(found.leftOut, "entry", "entries")} left out`));
            before = null;
        }
        items.push(item(found, entry, index, before));
        before = entry.at;
    });
    items.push(...last(found, thing, name));
    return h("ol", { class: "timeline" }, items);
}

function item(found, entry, index, before) {
    const { kind, title, body } = told(entry.what);
    const gap = before !== null && entry.at - before >= 1000 ? h("p", { class: "gap" }, `${span(entry.at - before)} later`) : null;
    return h("li", { class: `entry ${kind}`, "data-key": `${index}-${entry.at}-${kind}` },
        gap,
        h("time", { class: "offset", datetime: iso(entry.at), title: absolute(entry.at) },
            h("b", {}, entry.at === found.queuedAt ? "0" : `+${span(entry.at - found.queuedAt)}`), h("span", {}, timeOfDay(entry.at))),
        h("div", { class: "what" }, h("h3", {}, title), body));
}

// What happened, by the name that the service has for it.
function told(what) {
    const [name, of] = typeof what === "string" ? [what, {}] : Object.entries(what)[0];
    switch (name) {
        case "queued":
            return { kind: "is-QUEUED", title: "Queued", body: h("p", {}, `Why: ${ORIGINS[of]}.`) };
        case "offered":
            return { kind: "is-offered", title: "Offered to the device", body: h("p", {}, "By notify-next. Whether the device heard it is not known.") };
        case "reported":
            return reported(of);
        case "refused":
            return { kind: "is-refused", title: `Update refused: ${of.code}`, body: refused(of) };
        case "canceled":
            return { kind: "is-CANCELED", title: "Cancelled", body: h("p", {}, `${of.force ? "By force, " : ""}${CANCELERS[of.by]}.`) };
        case "timedOut":
            return { kind: "is-TIMED_OUT", title: "Timed out", body: h("p", {}, `What ran out: ${TIMERS[of]}.`) };
        case "removed":
            return { kind: "is-REMOVED", title: "Removed", body: h("p", {}, "The thing left the job’s targets, or was deleted.") };
        default:
            return { kind: "", title: name, body: null };
    }
}

function refused({ message, isLastNoted }) {
    return [
        message ? h("p", {}, message) : null,
        isLastNoted ? h("p", { class: "quiet" }, "Others may have followed at once: no more in a row are noted.") : null,
    ];
}

function reported({ from, to, report }) {
    const changed = from !== to;
    const pairs = (report?.details ?? []).map(({ key, value }) => pair(key, value));
    const leftOut = report?.detailsLeftOut ?? 0;
    const timers = [];
    if (report?.inProgressEnds) timers.push(h("p", {}, `The job’s timer runs out at ${timeOfDay(report.inProgressEnds)}.`));
    if (report?.step?.set) timers.push(h("p", {}, `The step timer runs out at ${timeOfDay(report.step.set)}.`));
    if (report?.step === "stopped") timers.push(h("p", {}, "The step timer was stopped."));
    const title = changed ? (to === "IN_PROGRESS" ? "Started" : `Reported ${words(to)}`) : "Reported";
    return {
        kind: changed ? `is-${to}` : "is-report",
        title,
        body: [
            pairs.length ? h("dl", { class: "pairs" }, pairs) : null,
            leftOut ? h("p", { class: "quiet" }, `${count(leftOut, "status detail")} left out`) : null,
            timers,
        ],
    };
}

// What comes next, or came after.
function last(found, thing, name) {
    const why = [found.reasonCode, found.comment].filter(Boolean).join(": ");
    const items = [];
    if (found.status === "CANCELED" && why) {
        items.push(h("li", { class: "entry after", "data-key": "why" }, h("div", { class: "what" }, h("h3", {}, "Why the job was cancelled"), h("p", {}, why))));
    }
    if (found.followedBy) {
        const { executionNumber, isRetry } = found.followedBy;
        const link = h("a", { href: `#/${name}/${executionNumber}` }, `execution #${executionNumber}`);
        items.push(h("li", { class: "entry after", "data-key": "follower" },
            h("div", { class: "what" }, h("h3", {}, isRetry ? "Retried as " : "Followed by ", link))));
    }
    const next = waits(found.waits, found, thing);
    if (next) items.push(h("li", { class: "entry next", "data-key": "next" }, h("div", { class: "what" }, next)));
    return items;
}

function waits(waits, found, thing) {
    const away = thing === false ? h("p", {}, `${found.thingName} is not connected.`) : null;
    switch (waits.for) {
        case "device":
            return [h("h3", {}, "Waits for the device to begin"), away];
        case "anotherJob":
            return [h("h3", {}, "Waits for its turn"), h("p", {}, "The device is offered ", h("a", { href: `#/${path("jobs", waits.jobId, "things", found.thingName)}` }, waits.jobId), " first.")];
        case "schedule":
            return [h("h3", {}, "Waits for the job’s schedule"), h("p", {}, "It opens ", when(waits.until), ".")];
        case "report":
            return [
                h("h3", {}, "Waits for the device to report"),
                waits.until ? h("p", {}, `It times out by ${TIMERS[waits.timer]} `, when(waits.until), ".") : h("p", {}, "No timer runs."),
                away,
            ];
        default:
            return null;
    }
}
