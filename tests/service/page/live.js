// Asks the service, and hears from it that something changed.

const RETRY_AFTER = 1000;
const MOST_REQUESTS = 20;
const PAGE = 200;

// The service has no such thing; the message says which.
export class NotFound extends Error {}
// The service did not answer.
export class Gone extends Error {}

export async function get(path, query = {}) {
    const url = new URL(`/_local/${path}`, location.origin);
    for (const [name, value] of Object.entries(query)) {
        if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
    }
    let answer, body;
    try {
        answer = await fetch(url, { cache: "no-store" });
        body = await answer.json();
    } catch (error) {
        throw new Gone(String(error));
    }
    if (answer.status === 404) throw new NotFound(body.message);
    if (!answer.ok) throw new Error(body.message);
    return body;
}

// The first rows of a list. The service may look at a part of it only at a time.
export async function list(path, { search, status, rows }) {
    let items = [], after = null, asked = 0;
    do {
        const limit = Math.min(PAGE, rows - items.length);
        const answer = await get(path, { search, status, after, limit });
        items = items.concat(answer.items);
        after = answer.next;
        asked += 1;
    } while (after !== null && items.length < rows && asked < MOST_REQUESTS);
    return { items, more: after !== null };
}

// Calls `changed` when something may have, and `state` with "live" or "gone".
export function listen(changed, state) {
    const events = new EventSource("/_local/changes");
    events.onopen = () => state("live");
    events.onmessage = changed;
    events.onerror = () => {
        // Browsers differ in when they try again by themselves.
        events.close();
        state("gone");
        setTimeout(() => listen(changed, state), RETRY_AFTER);
    };
}

export function path(...segments) {
    return segments.map((segment) => encodeURIComponent(segment)).join("/");
}
