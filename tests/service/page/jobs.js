// The list of jobs, one job with its rollout, and the parts that lists share.

import { chip, crumbs, facts, h, legend, progress, when } from "./dom.js";
import { get, list, path } from "./live.js";
import { noJobs } from "./overview.js";
import { count, span, sum, words } from "./text.js";

const STEP = 100;
const MOST_ROWS = 1000;
const JOB_STATUSES = ["IN_PROGRESS", "SCHEDULED", "COMPLETED", "CANCELED", "DELETION_IN_PROGRESS"];
const STATUSES = ["QUEUED", "IN_PROGRESS", "SUCCEEDED", "FAILED", "TIMED_OUT", "REJECTED", "REMOVED", "CANCELED"];
const OPEN = ["QUEUED", "IN_PROGRESS"];

export async function jobs({ whole, query, refresh }) {
    const [search, status] = [query.get("search") ?? "", query.get("status") ?? ""];
    const found = await list("jobs", { search, status, rows: rowsOf(query) });
    const nodes = [h("h1", { tabindex: "-1" }, "Jobs")];
    if (sum(whole.jobs) === 0) {
        const things = await list("things", { rows: 1 });
        return { title: "Jobs", nodes: [...nodes, noJobs(things.items[0], whole)] };
    }
    nodes.push(
        filters({ query, refresh, label: "Search jobs by id", statuses: JOB_STATUSES }),
        h("div", { class: "cards" }, found.items.map(jobCard)),
        more(found, query, refresh));
    return { title: "Jobs", nodes };
}

export function jobCard(job) {
    const total = sum(job.counts) + job.waiting;
    const over = total - job.waiting - OPEN.reduce((open, status) => open + (job.counts[status] ?? 0), 0);
    return h("article", { class: "card", "data-key": job.jobId },
        h("div", { class: "head" },
            h("h3", {}, h("a", { href: `#/${path("jobs", job.jobId)}` }, job.jobId)),
            job.namespaceId ? h("span", { class: "tag" }, job.namespaceId) : null,
            chip(job.status)),
        job.description ? h("p", {}, job.description) : null,
        progress(job.counts, job.waiting, job.jobId),
        h("p", { class: "foot quiet" }, h("span", {}, total ? `${over} of ${total} over` : "no execution yet"), when(job.createdAt)));
}

export async function job({ params, query, refresh }) {
    const [search, status] = [query.get("search") ?? "", query.get("status") ?? ""];
    const name = path("jobs", params.job);
    const [found, executions] = await Promise.all([
        get(name),
        list(`${name}/executions`, { search, status, rows: rowsOf(query) }),
    ]);
    const { row } = found;
    const nodes = [
        crumbs(["Jobs", "#/jobs"]),
        h("div", { class: "title" },
            h("h1", { tabindex: "-1" }, row.jobId),
            chip(row.status),
            row.namespaceId ? h("span", { class: "tag" }, row.namespaceId) : null),
        row.description ? h("p", { class: "lead" }, row.description) : null,
        rollout(found, name),
        terms(found),
        h("details", { class: "document" }, h("summary", {}, "Job document"), h("pre", { tabindex: "0" }, h("code", {}, pretty(found.document)))),
        h("h2", {}, "Executions"),
        filters({ query, refresh, label: "Search executions by thing", statuses: STATUSES }),
        executions.items.length ? table(row.jobId, executions.items) : none(query, found),
        more(executions, query, refresh),
    ];
    return { title: row.jobId, nodes };
}

function rollout({ row, rollout }, name) {
    const total = sum(row.counts) + row.waiting;
    const share = total ? Math.floor((100 * (row.counts.SUCCEEDED ?? 0)) / total) : 0;
    const notes = [
        rollout.awaitsTurn
            ? [`The job waits for its turn: as many jobs roll out as may. ${count(rollout.waiting, "thing waits", "things wait")} to be reached.`]
            : null,
        rollout.waiting && rollout.nextBatchAt
            ? ["The next batch is due ", when(rollout.nextBatchAt), `: ${count(rollout.waiting, "thing waits", "things wait")} to be reached.`]
            : null,
        rollout.deferred ? [`${count(rollout.deferred, "thing is", "things are")} reached when the job opens.`] : null,
        row.status !== "COMPLETED" && row.status !== "CANCELED" ? phase(rollout) : null,
    ];
    return h("section", { class: "panel", "aria-label": "Rollout" },
        h("p", { class: "number" }, `${share} %`, h("small", {}, ` succeeded of ${count(total, "execution")}`)),
        progress(row.counts, row.waiting, "Rollout"),
        legend(row.counts, row.waiting, (status) => `#/${name}?status=${status}`),
        notes.filter(Boolean).map((note) => h("p", { class: "note" }, note)));
}

function phase({ phase, phaseUntil }) {
    if (phase === "shut") return ["Not now: the job’s schedule opens ", when(phaseUntil), "."];
    if (phase === "open" && phaseUntil) return ["The job’s schedule is open; it shuts ", when(phaseUntil), "."];
    return null;
}

function terms({ row, job, rollout }) {
    const perMinute = job.jobExecutionsRolloutConfig.maximumPerMinute;
    const rate = job.jobExecutionsRolloutConfig.exponentialRate;
    const minutes = job.timeoutConfig.inProgressTimeoutInMinutes;
    const retries = job.jobExecutionsRetryConfig?.criteriaList ?? [];
    const aborts = job.abortConfig?.criteriaList ?? [];
    const schedule = job.schedulingConfig;
    const windows = (job.scheduledJobRollouts ?? []).map(({ startTime }) => startTime.replace("T", " "));
    return facts([
        ["Made", when(row.createdAt)],
        ["Over", row.completedAt === null ? null : when(row.completedAt)],
        ["Why", [job.reasonCode, job.comment].filter(Boolean).join(": ") || null],
        ["Targets", `${words(row.targetSelection)}: ${job.targets.map((arn) => arn.split(":").at(-1)).join(", ")}`],
        ["Reached", count(rollout.notified, "thing")],
        ["Rate", perMinute ? `${perMinute} a minute${rate ? `, from ${rate.baseRatePerMinute} times ${rate.incrementFactor}` : ""}` : null],
        ["Timer", minutes ? `${span(minutes * 60000)} in progress` : null],
        ["Retries", retries.map((some) => `${some.numberOfRetries} after ${words(some.failureType)}`).join(", ") || null],
        ["Abort", aborts.map((some) => `at ${some.thresholdPercentage} % ${words(some.failureType)} of ${some.minNumberOfExecutedThings} or more`).join(", ") || null],
        ["Start", schedule.startTime ?? null],
        ["End", schedule.endTime ? `${schedule.endTime}, ${words(schedule.endBehavior ?? "STOP_ROLLOUT")}` : null],
        ["Windows", windows.length ? `next ${windows.slice(0, 3).join(", ")} UTC` : null],
        ["Template", job.jobTemplateArn ?? null],
    ]);
}

function pretty(document) {
    try {
        return JSON.stringify(JSON.parse(document), null, 2);
    } catch {
        return document;
    }
}

function table(jobId, items) {
    const rows = items.map((execution) => {
        const { thingName, executionNumber, status } = execution;
        const href = `#/${path("jobs", jobId, "things", thingName, executionNumber)}`;
        const took = OPEN.includes(status) || execution.startedAt === null
            ? h("span", { class: "quiet" }, "–")
            : span(execution.lastUpdatedAt - execution.startedAt);
        return h("tr", { "data-key": `${thingName}/${executionNumber}` },
            h("th", { scope: "row" }, h("a", { href }, thingName)),
            h("td", { "data-label": "Number", class: "figure" }, `#${executionNumber}`),
            h("td", { "data-label": "Status" }, chip(status)),
            h("td", { "data-label": "Queued" }, when(execution.queuedAt)),
            h("td", { "data-label": "Started" }, when(execution.startedAt)),
            h("td", { "data-label": "Took" }, took));
    });
    const names = ["Thing", "Number", "Status", "Queued", "Started", "Took"];
    return h("table", {}, h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows));
}

function none(query, { rollout }) {
    if (query.get("search") || query.get("status")) return h("p", { class: "empty" }, "No execution fits.");
    if (rollout.phase === "shut") return h("p", { class: "empty" }, "No execution yet: the job’s schedule has not opened.");
    if (rollout.awaitsTurn) return h("p", { class: "empty" }, "No execution yet: the job waits for its turn.");
    return h("p", { class: "empty" }, "No execution yet: the job’s targets have no things.");
}

// How many rows of a list are asked for.
export function rowsOf(query) {
    const rows = Number(query.get("rows") ?? STEP);
    return Number.isInteger(rows) ? Math.min(Math.max(rows, 1), MOST_ROWS) : STEP;
}

// A way to see more of a list, or to be told that one must search.
export function more(found, query, refresh) {
    if (!found.more) return null;
    if (rowsOf(query) >= MOST_ROWS) return h("p", { class: "quiet" }, "There are more: search to find them.");
    const ask = () => set(query, "rows", String(rowsOf(query) + STEP), refresh);
    return h("p", {}, h("button", { type: "button", onclick: ask }, "Show more"));
}

function set(query, name, value, refresh) {
    const changed = new URLSearchParams(query);
    value ? changed.set(name, value) : changed.delete(name);
    const [path] = location.hash.split("?");
    const rest = changed.toString();
    history.replaceState(null, "", rest ? `${path}?${rest}` : path);
    refresh();
}

// What narrows a list down. What is asked for stands in the address, so that it can be kept.
export function filters({ query, refresh, label, statuses, any = "any status" }) {
    const change = (name) => (event) => {
        const now = new URLSearchParams(location.hash.split("?")[1] ?? "");
        set(now, name, event.currentTarget.value, refresh);
    };
    const status = query.get("status") ?? "";
    const options = ["", ...statuses].map((value) =>
        h("option", { value, selected: value === status }, value ? words(value) : any));
    return h("form", { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
        h("input", {
            type: "search", name: "search", placeholder: label, "aria-label": label, maxlength: 128,
            autocomplete: "off", spellcheck: "false", value: query.get("search") ?? "", oninput: change("search"),
        }),
        statuses.length ? h("select", { name: "status", "aria-label": "Status", onchange: change("status") }, options) : null);
}
