// How times, spans and numbers are told.

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

// The last point in time that the browser's calendar has (ECMAScript, Time Values and Time Range). The service's clock
// and its timers go further.
const LAST = 8.64e15;

// The service's clock: as told last, and going on from there unless it stands.
export const clock = {
    base: Date.now(),
    since: performance.now(),
    frozen: false,
    // Seconds of the service's in one of ours.
    scale: 1,
    set({ now, frozen, scale }) {
        Object.assign(this, { base: now, since: performance.now(), frozen, scale });
    },
    now() {
        return this.frozen ? this.base : this.base + this.scale * (performance.now() - this.since);
    },
};

// A span of time in its two largest units.
export function span(ms) {
    const whole = Math.max(0, ms);
    if (whole < SECOND) return `${Math.round(whole)} ms`;
    if (whole < 10 * SECOND) return `${Number((whole / SECOND).toFixed(1))} s`;
    if (whole < MINUTE) return `${Math.round(whole / SECOND)} s`;
    const pair = (big, bigName, small, smallName) => {
        const bigs = Math.floor(whole / big), smalls = Math.floor((whole % big) / small);
        return smalls ? `${bigs} ${bigName} ${smalls} ${smallName}` : `${bigs} ${bigName}`;
    };
    if (whole < HOUR) return pair(MINUTE, "min", SECOND, "s");
    if (whole < DAY) return pair(HOUR, "h", MINUTE, "min");
    return pair(DAY, "d", HOUR, "h");
}

// The distance of a point in time from the service's present.
export function distance(at) {
    const left = at - clock.now();
    if (Math.abs(left) < SECOND) return "now";
    const rounded = Math.abs(left) < 10 * SECOND ? Math.round(left / SECOND) * SECOND : left;
    const told = span(Math.abs(rounded));
    return left > 0 ? `in ${told}` : `${told} ago`;
}

// A point in time for programs; all that are beyond the calendar are its end.
export function iso(at) {
    return new Date(Math.min(at, LAST)).toISOString();
}

// A point in time, in UTC, as the service counts.
export function absolute(at) {
    if (at > LAST) return `after ${absolute(LAST)}`;
    return `${iso(at).replace("T", " ").replace("Z", "")} UTC`;
}

// A year may have more than four digits.
export function timeOfDay(at) {
    return iso(at).split("T")[1].slice(0, 8);
}

export function dayOf(at) {
    return at > LAST ? `after ${dayOf(LAST)}` : iso(at).split("T")[0];
}

export function count(number, one, many = `${one}s`) {
    return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

export function sum(counts) {
    return Object.values(counts).reduce((total, number) => total + number, 0);
}

// IN_PROGRESS as people write it.
export function words(status) {
    return status.toLowerCase().replaceAll("_", " ");
}
