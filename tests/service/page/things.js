// The list of things, and one thing.

import { chip, connection, crumbs, facts, h, when } from "./dom.js";
import { filters, more, rowsOf } from "./jobs.js";
import { get, list, path } from "./live.js";
import { noThings } from "./overview.js";
import { count } from "./text.js";

export async function things({ whole, query, refresh }) {
    const [search, status] = [query.get("search") ?? "", query.get("status") ?? ""];
    const found = await list("things", { search, status, rows: rowsOf(query) });
    const nodes = [h("h1", { tabindex: "-1" }, "Things")];
    if (whole.things === 0) return { title: "Things", nodes: [...nodes, noThings(whole)] };
    nodes.push(
        filters({
            query, refresh, label: "Search things by name", any: "all things",
            statuses: whole.connected === null ? [] : ["CONNECTED"],
        }),
        table(found.items),
        more(found, query, refresh));
    return { title: "Things", nodes };
}

function table(items) {
    const rows = items.map((thing) => h("tr", { "data-key": thing.thingName },
        h("th", { scope: "row" }, h("a", { href: `#/${path("things", thing.thingName)}` }, thing.thingName)),
        h("td", { "data-label": "Device" }, connection(thing.connected)),
        h("td", { "data-label": "Last asked" }, when(thing.lastSeenAt)),
        h("td", { "data-label": "Groups" }, groups(thing.groups)),
        h("td", { "data-label": "Open", class: "figure" }, thing.open),
        h("td", { "data-label": "Executions", class: "figure" }, thing.executions)));
    const names = ["Thing", "Device", "Last asked", "Groups", "Open", "Executions"];
    return h("table", {}, h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows));
}

function groups(names) {
    if (names.length === 0) return h("span", { class: "quiet" }, "–");
    return names.map((name) => h("span", { class: "tag", "data-key": name }, name));
}

export async function thing({ params }) {
    const found = await get(path("things", params.thing));
    const { row } = found;
    const attributes = Object.entries(found.attributes);
    const nodes = [
        crumbs(["Things", "#/things"]),
        h("div", { class: "title" }, h("h1", { tabindex: "-1" }, row.thingName), connection(row.connected)),
        facts([
            ["Last asked", when(row.lastSeenAt)],
            ["Groups", row.groups.length ? groups(row.groups) : null],
            ...attributes.map(([name, value]) => [`Attribute ${name}`, value]),
        ]),
        h("h2", {}, "Executions"),
        row.executions === 0
            ? h("p", { class: "empty" }, "No job has reached this thing yet.")
            : executions(row.thingName, found.newest),
        row.executions > found.newest.length
            ? h("p", { class: "quiet" }, `These are the newest of ${count(row.executions, "execution")}.`)
            : null,
    ];
    return { title: row.thingName, nodes };
}

function executions(name, newest) {
    const rows = newest.map((execution) => {
        const href = `#/${path("jobs", execution.jobId, "things", name, execution.executionNumber)}`;
        return h("tr", { "data-key": `${execution.jobId}/${execution.executionNumber}` },
            h("th", { scope: "row" }, h("a", { href }, execution.jobId)),
            h("td", { "data-label": "Number", class: "figure" }, `#${execution.executionNumber}`),
            h("td", { "data-label": "Status" }, chip(execution.status)),
            h("td", { "data-label": "Queued" }, when(execution.queuedAt)),
            h("td", { "data-label": "Started" }, when(execution.startedAt)),
            h("td", { "data-label": "Changed" }, when(execution.lastUpdatedAt)));
    });
    const names = ["Job", "Number", "Status", "Queued", "Started", "Changed"];
    return h("table", {}, h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows));
}
