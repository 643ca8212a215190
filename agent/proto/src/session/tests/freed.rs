//! Resources that executions of other sessions hold.

use std::string::String;

use super::bench::Bench;
use crate::session::{Admission, Input};

#[test]
fn a_postponed_job_is_offered_again_when_another_session_frees_what_it_needs() {
    let mut bench = Bench::<1>::new();
    bench
        .admissions
        .insert(String::from("job"), Admission::Later);
    bench.queue("job");
    bench.link_up();
    assert!(!bench.running[0]);

    bench.admissions.clear();
    bench.handle(Input::Freed);
    bench.pass_secs(1);

    assert!(bench.running[0], "{:?}", bench.events);
}
