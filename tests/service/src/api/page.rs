//! `GET /`: a page for people, and its parts below `/_local/page/`.
//!
//! The parts are compiled in. The page may load nothing from elsewhere, may run no script but its
//! own, and makes no HTML of text: [`POLICY`] has the browser insist on all three. It only reads:
//! what it shows comes from the paths in [`super::local`].

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;

/// Content Security Policy Level 3, and Trusted Types.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file by its path, its type and its text.
type Part = (&'static str, &'static str, &'static str);

macro_rules! part {
    ($name:literal, $kind:expr) => {
        (
            concat!("/_local/page/", $name),
            $kind,
            include_str!(concat!("../../page/", $name)),
        )
    };
}

const INDEX: Part = ("/", HTML, include_str!("../../page/index.html"));
const PARTS: [Part; 10] = [
    part!("dom.js", SCRIPT),
    part!("execution.js", SCRIPT),
    part!("icon.svg", SVG),
    part!("jobs.js", SCRIPT),
    part!("live.js", SCRIPT),
    part!("main.js", SCRIPT),
    part!("overview.js", SCRIPT),
    part!("page.css", CSS),
    part!("text.js", SCRIPT),
    part!("things.js", SCRIPT),
];

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let parts = PARTS.into_iter().chain([INDEX]);
    let routes = parts.fold(Router::new(), |routes, (path, kind, text)| {
        routes.route(path, get(async move || ([(CONTENT_TYPE, kind)], text)))
    });
    routes.layer(from_fn(harden))
}

/// Has the browser keep the page to itself.
async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What would have the browser load or run something else.
    #[test]
    fn no_part_names_another_origin_or_has_a_script_inline() {
        for (path, _, text) in PARTS.into_iter().chain([INDEX]) {
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for foreign in [
                "http://",
                "https://",
                "src=\"//",
                "innerHTML",
                "onclick=\"",
                "eval(",
            ] {
                assert!(!text.contains(foreign), "{path}: {foreign}");
            }
        }
        assert!(!INDEX.2.contains("style="));
        assert_eq!(INDEX.2.matches("<script").count(), 1);
    }

    #[test]
    fn every_part_that_the_page_names_is_there() {
        let named = INDEX
            .2
            .split('"')
            .filter(|text| text.starts_with("/_local/page/"));
        for name in named {
            assert!(PARTS.iter().any(|(path, ..)| *path == name), "{name}");
        }
        let scripts = PARTS.iter().filter(|(_, kind, _)| *kind == SCRIPT);
        for (path, _, text) in scripts {
            let imported = text
                .lines()
                .filter_map(|line| line.split_once(" from \"./"));
            for (_, rest) in imported {
                let name = rest.trim_end_matches(['"', ';']);
                let is_there = PARTS
                    .iter()
                    .any(|(path, ..)| path.ends_with(&format!("/{name}")));
                assert!(is_there, "{path}: {name}");
            }
        }
    }
}
