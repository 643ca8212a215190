//! Any bytes of a client, in any pieces: what is no MQTT closes the connection, and nothing grows without
//! bound. The broker reads a client's packets as another implementation wrote them.
#![no_main]

use std::time::Duration;

use bytes::Bytes;
use iot_jobs_local::broker::fuzzing::BareConnection;
use libfuzzer_sys::fuzz_target;

const THING: &str = "t1";
/// What a socket gives at once.
const READ_SIZE: usize = 16 * 1024;
/// The broker stops delivering at 256 KiB; one packet more may have been on its way.
const OUTPUT_LIMIT: usize = (256 + 146) * 1024;
/// Longer than any keep-alive and any time to say CONNECT.
const LONG_SILENCE: Duration = Duration::from_secs(3600);

// The first byte of the input says how the rest is cut, and how fast the client reads.
fuzz_target!(|input: &[u8]| {
    let Some((style, bytes)) = input.split_first() else {
        return;
    };
    let piece = match style & 0x0f {
        0 => READ_SIZE,
        piece => usize::from(piece),
    };
    let reads = style & 0x10 == 0;
    let mut connection = BareConnection::new(THING);
    for bytes in bytes.chunks(piece) {
        serve(&mut connection, reads);
        if !connection.wants_input() {
            break;
        }
        connection.receive(bytes);
        assert!(connection.output().len() <= OUTPUT_LIMIT);
    }
    serve(&mut connection, true);
    connection.wait(LONG_SILENCE);
    assert!(connection.is_closing(), "a silent client is closed");
    assert!(!connection.wants_input());
    connection.finish();
});

/// What the service does meanwhile.
fn serve(connection: &mut BareConnection, reads: bool) {
    while let Some(request) = connection.take_request() {
        let own = format!("$aws/things/{THING}/jobs/");
        assert!(request.topic.starts_with(&own), "{}", request.topic);
    }
    for topic in ["$aws/things/t1/jobs/notify", "site/a"] {
        connection.publish(topic, Bytes::from_static(b"{}"));
    }
    if reads {
        while !connection.output().is_empty() {
            connection.written(connection.output().len());
        }
    }
}
