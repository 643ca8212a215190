// Builds elements, and turns those that are shown into those wanted. Text is only ever text: nothing here parses HTML.

import { absolute, clock, distance, iso, words } from "./text.js";

// What a node does. `redraw` makes it anew as time goes by.
const HANDLERS = ["onclick", "oninput", "onchange", "onsubmit", "redraw"];

// An element. Attributes that are null or false are left out; `vars` are CSS variables; handlers are functions.
export function h(name, attributes = {}, ...children) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
        if (value === null || value === undefined || value === false) continue;
        if (HANDLERS.includes(key)) node[key] = value;
        else if (key === "vars") setVars(node, value);
        else node.setAttribute(key, value === true ? "" : value);
    }
    node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
    return node;
}

function setVars(node, vars) {
    for (const [name, value] of Object.entries(vars)) node.style.setProperty(name, value);
}

// Makes `from` look like `to`, and keeps what the user holds: focus, selection, scrolling, what is unfolded.
export function morph(from, to) {
    const same = from.nodeName === to.nodeName && from.dataset?.key === to.dataset?.key;
    if (!same) return from.replaceWith(to);
    if (from.nodeType === Node.TEXT_NODE) {
        if (from.data !== to.data) from.data = to.data;
        return;
    }
    morphAttributes(from, to);
    morphChildren(from, to);
    if ("value" in from && from !== document.activeElement && from.value !== to.value) from.value = to.value;
}

function morphAttributes(from, to) {
    // A style attribute is set through the object model, as the policy forbids to write it.
    const mine = (name) => name === "style" || (name === "open" && from.nodeName === "DETAILS");
    for (const { name } of [...from.attributes]) {
        if (!mine(name) && !to.hasAttribute(name)) from.removeAttribute(name);
    }
    for (const { name, value } of to.attributes) {
        if (!mine(name) && from.getAttribute(name) !== value) from.setAttribute(name, value);
    }
    if (from.style.cssText !== to.style.cssText) from.style.cssText = to.style.cssText;
    for (const name of HANDLERS) from[name] = to[name];
}

function morphChildren(from, to) {
    const wanted = [...to.childNodes];
    const keyed = new Map([...from.children].filter((node) => node.dataset.key).map((node) => [node.dataset.key, node]));
    wanted.forEach((node, index) => {
        let have = from.childNodes[index] ?? null;
        const key = node.dataset?.key;
        if (key && have?.dataset?.key !== key) {
            const found = keyed.get(key);
            from.insertBefore(found ?? node, have);
            if (!found) return;
            have = found;
        }
        if (have) morph(have, node);
        else from.append(node);
    });
    while (from.childNodes.length > wanted.length) from.lastChild.remove();
}

// A point in time by its distance from now, which goes on by itself.
export function when(at) {
    if (at === null || at === undefined) return h("span", { class: "quiet" }, "–");
    return h("time", { datetime: iso(at), title: absolute(at), "data-at": at }, distance(at));
}

export function tickTimes() {
    for (const node of document.querySelectorAll("time[data-at]")) {
        const text = distance(Number(node.dataset.at));
        if (node.textContent !== text) node.textContent = text;
    }
    for (const node of document.querySelectorAll("[data-redrawn]")) morph(node, node.redraw());
    return clock.now();
}

// A status with its colour. A new status is a new element, which shows itself.
export function chip(status) {
    return h("span", { class: `chip is-${status}`, "data-key": status }, words(status));
}

const ORDER = ["SUCCEEDED", "IN_PROGRESS", "QUEUED", "FAILED", "TIMED_OUT", "REJECTED", "CANCELED", "REMOVED", "WAITING"];

// Counts by status, in the order in which they are drawn.
function parts(counts, waiting) {
    const all = { ...counts, WAITING: waiting };
    return ORDER.filter((status) => all[status] > 0).map((status) => [status, all[status]]);
}

const TOLD = { WAITING: "to be reached" };

function told(status) {
    return TOLD[status] ?? words(status);
}

// How many of all are in which state, as one bar.
export function progress(counts, waiting, label) {
    const shares = parts(counts, waiting);
    const inWords = shares.map(([status, number]) => `${number} ${told(status)}`).join(", ") || "nothing yet";
    const bars = shares.map(([status, number]) =>
        h("span", { class: `share is-${status}`, "data-key": status, vars: { "--n": number } }));
    return h("div", { class: "progress", role: "img", "aria-label": `${label}: ${inWords}`, title: inWords }, bars);
}

// The bar's parts in words and numbers; `href` makes each a link.
export function legend(counts, waiting, href) {
    const entries = parts(counts, waiting).map(([status, number]) => {
        const text = [h("b", {}, number.toLocaleString("en")), " ", told(status)];
        const link = href && status !== "WAITING" ? h("a", { href: href(status) }, text) : h("span", {}, text);
        return h("li", { class: `is-${status}`, "data-key": status }, link);
    });
    return h("ul", { class: "legend" }, entries);
}

// A command to copy.
export function command(text) {
    const copy = async (event) => {
        const button = event.currentTarget;
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
    };
    const button = navigator.clipboard ? h("button", { type: "button", onclick: copy }, "Copy") : null;
    return h("div", { class: "command" }, h("pre", { tabindex: "0" }, h("code", {}, text)), button);
}

// Names and values, without those that are null.
export function facts(pairs) {
    const told = pairs.filter(([, value]) => value !== null && value !== undefined);
    return h("dl", { class: "facts" }, told.map(([name, value]) =>
        h("div", { "data-key": name }, h("dt", {}, name), h("dd", {}, value))));
}

export function crumbs(...links) {
    const items = links.map(([text, href]) => h("li", {}, h("a", { href }, text)));
    return h("nav", { class: "crumbs", "aria-label": "Breadcrumbs" }, h("ol", {}, items));
}

export function connection(connected) {
    if (connected === null) return h("span", { class: "presence unknown" }, "unknown");
    return h("span", { class: `presence ${connected ? "here" : "away"}` }, connected ? "connected" : "away");
}
