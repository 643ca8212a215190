//! Any topic: never a panic, and a request's topic reads back as that request.
#![no_main]

use iot_jobs_proto::names::{JobId, Namespace, ThingName};
use iot_jobs_proto::topic::{self, Inbound, Message, Request, Target};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|topic: &str| {
    let thing = ThingName::parse("pump-7").expect("a legal name");
    let Ok(inbound) = Inbound::parse(topic, &thing) else {
        return;
    };
    let namespace = match inbound.namespace {
        Some(id) => Namespace::Named(id.to_owned()),
        None => Namespace::Default,
    };
    assert!(inbound.is_of(&namespace));

    let Message::Echo(request) = inbound.message else {
        return;
    };
    let written = match request {
        Request::Describe(Target::Job(id)) => topic::describe(&thing, &namespace, Target::Job(id)),
        Request::Describe(Target::Next) => topic::describe(&thing, &namespace, Target::Next),
        Request::Pending => topic::pending(&thing),
        Request::StartNext => topic::start_next(&thing),
        Request::Update(id) => {
            let id: JobId = id.to_owned();
            topic::update(&thing, &namespace, &id)
        }
    };
    // The other case: a topic that fits but whose answer would not.
    if let Ok(written) = written {
        assert_eq!(written, topic);
    }
});
