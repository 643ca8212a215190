//! What is said again.

use super::super::again::tell_lost;
use super::*;

fn lost(levels: &[&str]) -> Vec<String> {
    levels
        .iter()
        .map(|levels| format!("{JOBS}{levels}"))
        .collect()
}

#[test]
fn what_was_lost_is_said_as_it_is_now() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    bench.create(&json!({"jobId": "A", "namespaceId": "acme"}));
    bench.drain();

    tell_lost(
        &bench.shared,
        &lost(&[
            "notify",
            "notify-next",
            "notify-next-namespace-acme",
            "A/notify-namespace-acme/",
        ]),
    );

    let told = bench.drain();
    let topics: Vec<_> = told.iter().map(|sent| sent.topic.as_str()).collect();
    assert_eq!(
        topics,
        [
            "notify",
            "notify-next",
            "notify-next-namespace-acme",
            "A/notify-namespace-acme/"
        ]
    );
    assert_eq!(told[0].payload["jobs"]["QUEUED"][0]["jobId"], "J");
    assert_eq!(told[1].payload["execution"]["jobId"], "J");
    // J is ahead of A, so that A was never told to be next.
    assert_eq!(told[2].payload["execution"], Value::Null);
    assert_eq!(told[3].payload["jobs"]["QUEUED"][0]["jobId"], "A");
}

#[test]
fn a_device_that_missed_that_its_job_was_deleted_learns_that_nothing_is_pending() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    let delete = DeleteJob {
        job_id: "J".to_owned(),
        force: true,
        ..DeleteJob::default()
    };
    bench
        .shared
        .with(|model, now| model.delete_job(&delete, now).unwrap());
    bench.wait_until(NOON + 3600);
    bench.drain();

    tell_lost(&bench.shared, &lost(&["notify", "notify-next"]));

    let told = bench.drain();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].payload["jobs"], json!({}));
    assert_eq!(told[1].payload["execution"], Value::Null);
}

#[test]
fn answers_and_events_that_were_lost_are_not_said_again() {
    let bench = Bench::at(NOON);
    let mut topics = lost(&["get/accepted", "J/update/rejected"]);
    topics.push("$aws/events/job/J/completed".to_owned());

    tell_lost(&bench.shared, &topics);

    assert_eq!(bench.drain(), []);
}
