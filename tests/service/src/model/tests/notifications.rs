//! Who is told what, beyond the walk-through in `tests/fixtures/service/notifications.json`.

use super::*;
use crate::model::document::Document;

/// What each device is told to do next.
fn documents(effects: &[Effect]) -> Vec<&Document> {
    let next = effects.iter().filter_map(|effect| match effect {
        Effect::NotifyNext { next, .. } => next.as_deref(),
        Effect::Event(_) | Effect::Notify { .. } => None,
    });
    next.filter_map(|next| next.document.as_ref()).collect()
}

#[test]
fn a_fleet_that_is_told_at_once_shares_one_copy_of_the_document() {
    let mut model = model();
    add_thing(&mut model, "gw-2");
    let both = json!({"targets": [thing_arn("gw-1"), thing_arn("gw-2")]});
    create(&mut model, "J", both, at(0));
    let effects = model.take_effects();
    let documents = documents(&effects);
    assert_eq!(documents.len(), 2);
    let [first, second] = [0, 1].map(|at| documents[at].text.as_ptr());
    assert_eq!(first, second);
}

fn in_namespace(id: &str) -> Value {
    json!({ "namespaceId": id })
}

#[test]
fn starting_a_job_tells_nobody() {
    let mut model = model();
    create(&mut model, "J", json!({}), at(0));
    news(&mut model);
    start_next(&mut model, json!({}), at(1));
    assert_eq!(news(&mut model), [""; 0]);
}

#[test]
fn progress_tells_nobody() {
    let mut model = model();
    create(&mut model, "J", json!({}), at(0));
    report(&mut model, "J", "IN_PROGRESS", at(1));
    news(&mut model);
    report(&mut model, "J", "IN_PROGRESS", at(2));
    assert_eq!(news(&mut model), [""; 0]);
}

#[test]
fn a_job_behind_another_changes_the_list_but_not_the_first() {
    let mut model = model();
    create(&mut model, "J1", json!({}), at(0));
    news(&mut model);
    create(&mut model, "J2", json!({}), at(1));
    assert_eq!(news(&mut model), ["notify J1,J2"]);
}

#[test]
fn a_job_that_ends_behind_another_changes_the_list_but_not_the_first() {
    let mut model = model();
    create(&mut model, "J1", json!({}), at(0));
    create(&mut model, "J2", json!({}), at(1));
    news(&mut model);
    report(&mut model, "J2", "REJECTED", at(2));
    assert_eq!(news(&mut model), ["notify J1"]);
}

#[test]
fn of_two_jobs_in_progress_the_one_queued_first_is_first() {
    let mut model = model();
    create(&mut model, "J1", json!({}), at(0));
    create(&mut model, "J2", json!({}), at(0));
    report(&mut model, "J2", "IN_PROGRESS", at(1));
    news(&mut model);
    report(&mut model, "J1", "IN_PROGRESS", at(2));
    assert_eq!(news(&mut model), ["next J1"]);
}

#[test]
fn a_time_out_is_told_like_any_end() {
    let mut model = model();
    let timeout = json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 1}});
    create(&mut model, "J1", timeout, at(0));
    create(&mut model, "J2", json!({}), at(0));
    report(&mut model, "J1", "IN_PROGRESS", at(0));
    news(&mut model);
    model.advance(at(60));
    assert_eq!(news(&mut model), ["notify J2", "next J2"]);
}

#[test]
fn a_cancelled_job_is_told_like_any_end() {
    let mut model = model();
    create(&mut model, "J1", json!({}), at(0));
    news(&mut model);
    cancel(&mut model, "J1", false, at(1));
    assert_eq!(news(&mut model), ["notify ", "next -"]);
}

#[test]
fn deleting_what_is_over_tells_nobody() {
    let mut model = model();
    create(&mut model, "J", json!({}), at(0));
    report(&mut model, "J", "SUCCEEDED", at(1));
    news(&mut model);
    let request = crate::model::request::DeleteJob {
        job_id: "J".to_owned(),
        ..Default::default()
    };
    model.delete_job(&request, at(2)).unwrap();
    assert_eq!(news(&mut model), [""; 0]);
}

#[test]
fn a_list_shows_the_first_ten() {
    let mut model = model();
    for n in 0..11 {
        create(&mut model, &format!("J{n:02}"), json!({}), at(n));
    }
    let pending = model.pending_job_executions(&thing("gw-1"), None).unwrap();
    assert_eq!(
        ids(&pending).1,
        [
            "J00", "J01", "J02", "J03", "J04", "J05", "J06", "J07", "J08", "J09"
        ]
    );
}

#[test]
fn the_first_of_a_namespace_is_told_once_it_heads_the_whole_queue() {
    let mut model = model();
    create(&mut model, "P", json!({}), at(0));
    news(&mut model);
    create(&mut model, "N", in_namespace("acme"), at(1));
    assert_eq!(news(&mut model), ["notify-acme N"]);
    report(&mut model, "P", "SUCCEEDED", at(2));
    assert_eq!(news(&mut model), ["notify ", "next -", "next-acme N"]);
}

#[test]
fn what_was_never_told_does_not_end_aloud() {
    let mut model = model();
    create(&mut model, "P", json!({}), at(0));
    create(&mut model, "N", in_namespace("acme"), at(1));
    news(&mut model);
    cancel(&mut model, "N", false, at(2));
    assert_eq!(news(&mut model), ["notify-acme "]);
}

#[test]
fn what_was_told_ends_aloud_even_behind_another_namespace() {
    let mut model = model();
    create(&mut model, "N", in_namespace("acme"), at(0));
    create(&mut model, "P", json!({}), at(1));
    report(&mut model, "P", "IN_PROGRESS", at(2));
    news(&mut model);
    cancel(&mut model, "N", false, at(3));
    assert_eq!(news(&mut model), ["notify-acme ", "next-acme -"]);
}

#[test]
fn a_first_that_was_told_is_not_told_again_after_another_namespace_went_by() {
    let mut model = model();
    create(&mut model, "N", in_namespace("acme"), at(0));
    create(&mut model, "P", json!({}), at(1));
    report(&mut model, "P", "IN_PROGRESS", at(2));
    news(&mut model);
    report(&mut model, "P", "SUCCEEDED", at(3));
    assert_eq!(news(&mut model), ["notify ", "next -"]);
}

#[test]
fn a_job_made_anew_under_an_old_id_is_told_as_another() {
    let mut model = model();
    create(&mut model, "N1", in_namespace("acme"), at(0));
    create(&mut model, "N2", in_namespace("acme"), at(1));
    create(&mut model, "P", json!({}), at(2));
    report(&mut model, "P", "IN_PROGRESS", at(3));
    let request = crate::model::request::DeleteJob {
        job_id: "N1".to_owned(),
        force: true,
        ..Default::default()
    };
    model.delete_job(&request, at(4)).unwrap();
    create(&mut model, "N1", in_namespace("acme"), at(5));
    cancel(&mut model, "N2", false, at(6));
    news(&mut model);
    report(&mut model, "P", "SUCCEEDED", at(7));
    assert_eq!(news(&mut model), ["notify ", "next -", "next-acme N1"]);
}

#[test]
fn the_default_namespace_is_told_behind_any_other() {
    let mut model = model();
    create(&mut model, "N", in_namespace("acme"), at(0));
    news(&mut model);
    create(&mut model, "P", json!({}), at(1));
    assert_eq!(news(&mut model), ["notify P", "next P"]);
}

#[test]
fn namespaces_are_told_apart_where_that_is_asked_for() {
    let mut model = with_knobs(Knobs {
        notify_next_per_namespace: true,
        ..Knobs::default()
    });
    create(&mut model, "P", json!({}), at(0));
    news(&mut model);
    create(&mut model, "N", in_namespace("acme"), at(1));
    assert_eq!(news(&mut model), ["notify-acme N", "next-acme N"]);
}

#[test]
fn a_job_for_a_group_is_told_to_every_member() {
    let mut model = model();
    add_thing(&mut model, "gw-2");
    let targets = json!({"targets": [thing_arn("gw-1"), thing_arn("gw-2"), thing_arn("gw-1")]});
    create(&mut model, "J", targets, at(0));
    let told: Vec<_> = model
        .take_effects()
        .into_iter()
        .map(|effect| match effect {
            Effect::Event(event) => panic!("{event:?}"),
            Effect::Notify { thing, .. } | Effect::NotifyNext { thing, .. } => thing.to_string(),
        })
        .collect();
    assert_eq!(told, ["gw-1", "gw-1", "gw-2", "gw-2"]);
}
