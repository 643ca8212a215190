//! Any job document: never a panic, whatever is asked of whichever member.
#![no_main]

use iot_jobs_proto::document::{Document, Language, Member};
use libfuzzer_sys::fuzz_target;

/// Members that the languages of documents use.
const MEMBERS: [&str; 8] = [
    "afr_ota",
    "args",
    "files",
    "operation",
    "sha256",
    "size",
    "steps",
    "url",
];
const DEPTH_MAX: usize = 4;

fuzz_target!(|bytes: &[u8]| {
    let Ok(document) = Document::parse(bytes) else {
        return;
    };
    if let Ok(Language::Operation(operation)) = document.language() {
        assert!(
            !operation.to_string().is_empty(),
            "an empty operation is not set"
        );
    }
    ask(document, DEPTH_MAX);
});

fn ask(document: Document<'_>, depth: usize) {
    for name in MEMBERS {
        if let Ok(Some(member)) = document.optional(name) {
            ask_member(member, depth);
        }
    }
}

fn ask_member(member: Member<'_>, depth: usize) {
    let mut buffer = [0; 64];
    let _ = (member.u64(), member.bool(), member.sha256());
    if let Ok(url) = member.url(&mut buffer) {
        assert!(!url.to_string().contains('?'), "a query is a credential");
    }
    if depth == 0 {
        return;
    }
    if let Ok(object) = member.object() {
        ask(object, depth - 1);
    }
    if let Ok(elements) = member.elements() {
        elements.for_each(|element| ask_member(element, depth - 1));
    }
}
