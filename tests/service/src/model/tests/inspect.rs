//! What people are shown.

use std::collections::BTreeSet;

use super::*;
use crate::model::AtConcurrencyLimit;
use crate::model::inspect::{Browse, Listing, MAX_ITEMS};
use crate::model::status::ExecutionStatus;

fn browse(limit: usize) -> Browse {
    Browse {
        limit,
        ..Browse::default()
    }
}

/// A model with things `t000`, `t001`, …
fn fleet(size: usize) -> Model {
    let mut model = Model::new(Knobs::default());
    for n in 0..size {
        add_thing(&mut model, &format!("t{n:03}"));
    }
    model
}

fn job_for_all(model: &mut Model, id: &str, members: Value) {
    create_group(model, "all", None).unwrap();
    let names: Vec<_> = model.things.keys().cloned().collect();
    for name in names {
        join(model, "all", name.as_str(), at(0));
    }
    let mut request = create_request(id, members);
    request.targets = Some(vec![group_arn("all")]);
    model.create_job(&scope(), request, at(0)).unwrap();
}

/// Every page of a list, by `name`.
fn pages<T>(
    mut page: impl FnMut(Option<String>) -> Listing<T>,
    name: impl Fn(&T) -> String,
) -> Vec<Vec<String>> {
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let listing = page(after);
        pages.push(listing.items.iter().map(&name).collect());
        after = listing.next;
        if after.is_none() {
            return pages;
        }
    }
}

#[test]
fn pages_of_things_follow_each_other_and_end() {
    let model = fleet(5);
    let page = |after| {
        let browse = Browse { after, ..browse(2) };
        model.browse_things(&browse, None)
    };
    let pages = pages(page, |row| row.thing_name.to_string());
    assert_eq!(
        pages,
        [vec!["t000", "t001"], vec!["t002", "t003"], vec!["t004"]]
    );
}

#[test]
fn a_page_has_no_more_entries_than_allowed() {
    let model = fleet(MAX_ITEMS + 1);
    let listing = model.browse_things(&browse(usize::MAX), None);
    assert_eq!(listing.items.len(), MAX_ITEMS);
    assert!(listing.next.is_some());
    assert_eq!(model.browse_things(&browse(0), None).items.len(), 1);
}

#[test]
fn things_are_found_by_a_part_of_their_names_and_by_being_connected() {
    let mut model = fleet(30);
    add_thing(&mut model, "GW-2");
    let connected = BTreeSet::from(["t002".to_owned(), "t012".to_owned(), "nobody".to_owned()]);
    let found = |search: &str, status: &str| {
        let browse = Browse {
            search: search.to_owned(),
            status: status.to_owned(),
            ..browse(50)
        };
        let rows = model.browse_things(&browse, Some(&connected)).items;
        let rows = rows.iter().map(|row| row.thing_name.to_string());
        rows.collect::<Vec<_>>()
    };
    assert_eq!(found("2", "CONNECTED"), ["t002", "t012"]);
    assert_eq!(found("gw", ""), ["GW-2"]);
    let overview = model.overview(Some(&connected));
    assert_eq!((overview.things, overview.connected), (31, Some(2)));
}

#[test]
fn a_thing_was_last_seen_when_its_device_last_asked() {
    let mut model = fleet(2);
    model.saw(&thing("t001"), at(5));
    model.saw(&thing("t001"), at(9));
    model.saw(&thing("stranger"), at(9));
    let rows = model.browse_things(&browse(9), None).items;
    let seen: Vec<_> = rows.iter().map(|row| row.last_seen_at).collect();
    assert_eq!(seen, [None, Some(at(9))]);
    assert_eq!(model.seen.len(), 1);

    model.delete_thing("t001", None, at(10)).unwrap();
    add_thing(&mut model, "t001");
    let seen = model.inspect_thing("t001", None).unwrap().row.last_seen_at;
    assert_eq!(seen, None);
}

#[test]
fn jobs_come_newest_first_and_by_status() {
    let mut model = model();
    for id in ["a", "b", "c", "d"] {
        create(&mut model, id, json!({}), at(0));
    }
    cancel(&mut model, "b", false, at(1));
    let listed = |status: &str| {
        let page = |after| {
            let browse = Browse {
                after,
                status: status.to_owned(),
                ..browse(2)
            };
            model.browse_jobs(&browse)
        };
        pages(page, |row| row.job_id.to_string()).concat()
    };
    assert_eq!(listed(""), ["d", "c", "b", "a"]);
    assert_eq!(listed("IN_PROGRESS"), ["d", "c", "a"]);
    assert_eq!(listed("CANCELED"), ["b"]);
}

#[test]
fn a_rollout_tells_whom_it_reached_and_when_it_goes_on() {
    let mut model = fleet(5);
    let slow = json!({"jobExecutionsRolloutConfig": {"maximumPerMinute": 2}});
    job_for_all(&mut model, "J", slow);
    let told = model.inspect_job(&scope(), "J", at(0)).unwrap();
    assert_eq!((told.rollout.notified, told.rollout.waiting), (2, 3));
    assert_eq!(told.rollout.next_batch_at, Some(at(60)));
    assert_eq!(told.row.counts[&ExecutionStatus::Queued], 2);
    assert_eq!(model.overview(None).waiting, 3);
}

#[test]
fn a_job_that_is_held_waits_for_its_turn_and_not_for_a_batch() {
    let mut model = fleet(2);
    let mut knobs = Knobs {
        at_concurrency_limit: AtConcurrencyLimit::Hold,
        ..Knobs::default()
    };
    knobs.quotas.concurrent_jobs = 1;
    model.set_knobs(knobs);
    let one_a_minute = json!({
        "targets": [thing_arn("t000"), thing_arn("t001")],
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 1},
    });
    create(&mut model, "first", one_a_minute.clone(), at(0));
    create(&mut model, "held", one_a_minute, at(0));
    let told = |model: &Model, id: &str| {
        let rollout = model.inspect_job(&scope(), id, at(0)).unwrap().rollout;
        (rollout.awaits_turn, rollout.next_batch_at, rollout.waiting)
    };
    assert_eq!(told(&model, "first"), (false, Some(at(60)), 1));
    assert_eq!(told(&model, "held"), (true, None, 2));
    model.advance(at(60));
    assert_eq!(told(&model, "first"), (false, None, 0));
    assert_eq!(told(&model, "held"), (false, Some(at(120)), 1));
}

#[test]
fn executions_of_a_job_are_found_by_thing_and_by_status() {
    let mut model = fleet(4);
    job_for_all(&mut model, "J", json!({}));
    finish(&mut model, "J", "t001", "SUCCEEDED", at(1));
    finish(&mut model, "J", "t003", "SUCCEEDED", at(1));
    let found = |status: &str, search: &str| {
        let page = |after| {
            let browse = Browse {
                after,
                status: status.to_owned(),
                search: search.to_owned(),
                limit: 1,
            };
            model.browse_executions("J", &browse).unwrap()
        };
        pages(page, |row| row.thing_name.to_string()).concat()
    };
    assert_eq!(found("SUCCEEDED", ""), ["t001", "t003"]);
    assert_eq!(found("", "2"), ["t002"]);
    assert!(model.browse_executions("K", &browse(1)).is_none());
}

#[test]
fn a_key_that_names_nothing_is_no_key() {
    let mut model = fleet(2);
    job_for_all(&mut model, "J", json!({}));
    for key in ["", "/", "t000", "t000/x", "é/1"] {
        let browse = Browse {
            after: Some(key.to_owned()),
            ..browse(9)
        };
        let listing = model.browse_executions("J", &browse).unwrap();
        assert_eq!(listing.items.len(), 2, "{key:?}");
        assert_eq!(model.browse_jobs(&browse).items.len(), 1, "{key:?}");
    }
}
