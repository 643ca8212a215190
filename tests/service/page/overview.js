// The first view: how much there is, the newest jobs, the things, and how to begin.

import { command, connection, h, legend, progress } from "./dom.js";
import { jobCard } from "./jobs.js";
import { list, path } from "./live.js";
import { count, sum, words } from "./text.js";

const JOBS = 6;
const THINGS = 24;

export async function overview({ whole }) {
    const [jobs, things] = await Promise.all([
        list("jobs", { rows: JOBS }),
        list("things", { rows: THINGS }),
    ]);
    const nodes = [
        h("h1", { class: "hidden", tabindex: "-1" }, "Overview"),
        tiles(whole),
        whole.things === 0 && jobs.items.length === 0
            ? h("section", { class: "block", "data-key": "begin" }, h("h2", {}, "How to begin"), noThings(whole))
            : h("div", { class: "columns" }, jobSection(jobs, things, whole), thingSection(things, whole)),
        address(whole),
    ];
    return { title: null, nodes };
}

function tiles(whole) {
    const presence = whole.connected === null
        ? "the broker does not tell who is connected"
        : `${whole.connected.toLocaleString("en")} connected`;
    const states = Object.entries(whole.jobs).map(([status, number]) => `${number} ${words(status)}`);
    const executions = sum(whole.executions);
    return h("div", { class: "tiles" },
        tile("#/things", "Things", whole.things, presence),
        tile("#/jobs", "Jobs", sum(whole.jobs), states.join(", ") || "none yet"),
        h("section", { class: "tile wide" },
            h("h2", {}, "Executions"),
            h("p", { class: "number" }, executions.toLocaleString("en")),
            progress(whole.executions, whole.waiting, "All executions"),
            legend(whole.executions, whole.waiting)));
}

function tile(href, name, number, note) {
    return h("a", { class: "tile", href },
        h("h2", {}, name),
        h("p", { class: "number" }, number.toLocaleString("en")),
        h("p", { class: "quiet" }, note));
}

function jobSection(jobs, things, whole) {
    const heading = h("h2", {}, "Newest jobs");
    if (jobs.items.length === 0) {
        return h("section", { class: "block", "data-key": "no-jobs" }, heading, noJobs(things.items[0], whole));
    }
    const all = jobs.more ? h("p", {}, h("a", { href: "#/jobs" }, "All jobs")) : null;
    return h("section", { class: "block", "data-key": "jobs" }, heading, h("div", { class: "cards" }, jobs.items.map(jobCard)), all);
}

function thingSection(things, whole) {
    const heading = h("h2", {}, "Things");
    if (things.items.length === 0) {
        return h("section", { class: "block", "data-key": "no-things" }, heading, noThings(whole));
    }
    const rows = things.items.map((thing) => h("li", { "data-key": thing.thingName },
        h("a", { href: `#/${path("things", thing.thingName)}` }, thing.thingName),
        thing.open ? h("span", { class: "quiet" }, `${thing.open} open`) : null,
        connection(thing.connected)));
    const all = things.more ? h("p", {}, h("a", { href: "#/things" }, `All ${count(whole.things, "thing")}`)) : null;
    return h("section", { class: "block", "data-key": "things" }, heading, h("ul", { class: "roster" }, rows), all);
}

// How to point AWS's tools at this service.
function environment(whole) {
    return [
        `export AWS_ENDPOINT_URL=${location.origin}`,
        `export AWS_REGION=${whole.region}`,
        "export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local",
    ].join("\n");
}

export function noThings(whole) {
    return h("div", { class: "empty" },
        h("p", {}, "There is no thing yet. A thing stands for a device. What you make appears here at once."),
        h("ol", { class: "steps" },
            step("Point AWS’s tools at this service", environment(whole)),
            step("Make a thing", "aws iot create-thing --thing-name gw-1"),
            step("Give its device a certificate", `curl -X POST ${location.origin}/_local/things/gw-1/certificate`),
            step("Make a job for it", firstJob("gw-1", whole))));
}

function step(heading, text) {
    return h("li", {}, h("h3", {}, heading), command(text));
}

function firstJob(thing, whole) {
    const arn = `arn:aws:iot:${whole.region}:${whole.account}:thing/${thing}`;
    return `aws iot create-job --job-id first-job \\\n  --targets ${arn} \\\n  --document '{"operation":"greet"}'`;
}

export function noJobs(thing, whole) {
    if (!thing) return h("div", { class: "empty" }, h("p", {}, "There is no job yet. A job needs a thing first."));
    return h("div", { class: "empty" },
        h("p", {}, "There is no job yet. Make the first one:"),
        command(`${environment(whole)}\n${firstJob(thing.thingName, whole)}`));
}

function address(whole) {
    const devices = `mqtts://${whole.mqtt.host}:${whole.mqtt.port}`;
    return h("footer", { class: "address" },
        h("p", {}, "AWS SDKs and the CLI: ", h("code", {}, location.origin)),
        h("p", {}, "Devices: ", h("code", {}, devices)),
        h("p", {}, `iot-jobs-local ${whole.version}`));
}
