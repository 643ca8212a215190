//! A model that is made from its rows goes on as the one that they were taken from.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::model::events::UpdateEventConfigurations;
use crate::model::request::{
    AssociateTargets, CreateJobTemplate, CreatePackage, CreatePackageVersion, DeleteJob,
    TagResource, UpdateJob, UpdatePackage, UpdatePackageVersion, UpdateThing,
};
use crate::model::rows::{Change, Kind, RowError};
use crate::model::table::{Record, Table};

use super::property::Watch;
use super::property::step::{Step, step};
use super::*;

const TOKEN: &str = "123e4567-e89b-12d3-a456-426614174000";

/// Rows as a store keeps them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Rows(BTreeMap<(Kind, String), Vec<u8>>);

impl Rows {
    /// Takes over what changed, and says how many rows that were.
    fn follow(&mut self, model: &mut Model) -> usize {
        let changes = model.take_changes().unwrap();
        let count = changes.len();
        for change in changes {
            match change {
                Change::Clear => self.0.clear(),
                Change::Delete { kind, key } => drop(self.0.remove(&(kind, key))),
                Change::DeleteBelow { kind, parent } => {
                    let below = format!("{parent}/");
                    self.0
                        .retain(|(of, key), _| *of != kind || !key.starts_with(&below));
                }
                Change::Put { kind, key, row } => drop(self.0.insert((kind, key), row)),
            }
        }
        count
    }

    fn restore(&self) -> Result<Model, RowError> {
        let mut restoration = Model::restoration(knobs());
        for kind in Kind::ALL {
            for ((of, key), row) in &self.0 {
                if *of == kind {
                    restoration.row(kind, key, row)?;
                }
            }
        }
        let mut model = restoration.finish()?;
        model.record();
        Ok(model)
    }

    /// Every row of `model`, whatever was touched.
    fn all(model: &Model) -> Self {
        let mut whole = Model::new(model.knobs);
        whole.record();
        put_all(&mut whole.things, &model.things);
        put_all(&mut whole.groups, &model.groups);
        put_all(&mut whole.jobs, &model.jobs);
        put_all(&mut whole.templates, &model.templates);
        put_all(&mut whole.told, &model.told);
        put_all(&mut whole.packages.packages, &model.packages.packages);
        put_all(&mut whole.packages.versions, &model.packages.versions);
        put_all(&mut whole.packages.tokens.used, &model.packages.tokens.used);
        whole.packages.configuration = model.packages.configuration.clone();
        (whole.made, whole.events) = (model.made, model.events);
        let mut rows = Self::default();
        rows.follow(&mut whole);
        rows
    }

    /// Why there is no model without a row.
    fn refused_without(&self, kind: Kind, key: &str) -> String {
        let mut rows = self.clone();
        rows.0.remove(&(kind, key.to_owned())).unwrap();
        rows.restore().unwrap_err().to_string()
    }

    /// Why there is no model with a row.
    fn refused_with(&self, kind: Kind, key: &str, row: &str) -> String {
        let mut rows = self.clone();
        rows.0.insert((kind, key.to_owned()), row.into());
        rows.restore().unwrap_err().to_string()
    }

    fn texts(&self) -> BTreeMap<String, String> {
        let rows = self.0.iter();
        rows.map(|((kind, key), row)| {
            let text = String::from_utf8(row.clone()).unwrap();
            (format!("{} {key}", kind.as_str()), text)
        })
        .collect()
    }
}

fn knobs() -> Knobs {
    Knobs {
        events: true,
        ..Knobs::default()
    }
}

fn put_all<K: Ord + Clone, V: Record + Clone>(to: &mut Table<K, V>, from: &Table<K, V>) {
    for (key, row) in from {
        to.insert(key.clone(), row.clone());
    }
}

/// Everything that there is in a model, derived or not, but what was told and what is recorded.
fn inside(model: &Model) -> String {
    let Model {
        things,
        groups,
        jobs,
        templates,
        packages,
        told,
        queues,
        ..
    } = model;
    let timers = (&model.deadlines, &model.ticks, &model.edges);
    let once = (model.made, model.events);
    format!(
        "{things:?}{groups:?}{jobs:?}{templates:?}{packages:?}{told:?}{queues:?}{timers:?}{once:?}"
    )
}

/// A model with two things and two nested groups, and its rows.
fn kept_model() -> (Model, Rows) {
    let mut model = Model::new(Knobs::default());
    model.record();
    for name in ["gw-1", "gw-2"] {
        add_thing(&mut model, name);
    }
    create_group(&mut model, "site", None).unwrap();
    create_group(&mut model, "hall", Some("site")).unwrap();
    let mut rows = Rows::default();
    rows.follow(&mut model);
    (model, rows)
}

proptest! {
    #[test]
    fn a_model_restored_before_every_step_goes_on_like_one_that_never_stopped(
        steps in vec(step(), 1..60)
    ) {
        let mut never_stopped = Watch::new(knobs());
        let mut restored = Watch::new(knobs());
        let mut rows = Rows::all(&restored.model);
        for step in &steps {
            restored.model = rows.restore().unwrap();
            restored.take(step);
            never_stopped.take(step);
            prop_assert_eq!(restored.model.take_effects(), never_stopped.model.take_effects());
            rows.follow(&mut restored.model);
            prop_assert_eq!(inside(&restored.model), inside(&never_stopped.model));
            prop_assert_eq!(rows.texts(), Rows::all(&never_stopped.model).texts());
        }
    }

    #[test]
    fn rows_of_any_bytes_are_refused_or_taken_but_never_a_panic(
        kind in 0..Kind::ALL.len(),
        key in "[a-zJ0-9/]{0,12}",
        row in vec(any::<u8>(), 0..40),
        steps in vec(step(), 1..20),
    ) {
        let mut watch = Watch::new(knobs());
        steps.iter().for_each(|step: &Step| watch.take(step));
        let mut rows = Rows::all(&watch.model);
        rows.0.insert((Kind::ALL[kind], key), row);
        if let Ok(mut model) = rows.restore() {
            model.advance(at(watch.now + 100_000));
        }
    }
}

#[test]
fn what_any_operation_makes_survives() {
    let (mut model, mut rows) = kept_model();
    let scope = scope();
    let arn = |kind: &str, name: &str| format!("arn:aws:iot:eu-west-1:123456789012:{kind}/{name}");

    let mut thing: UpdateThing = parsed(json!({"attributePayload": {"attributes": {"k": "v"}}}));
    thing.thing_name = "gw-1".to_owned();
    model.update_thing(thing).unwrap();
    let mut template: CreateJobTemplate = parsed(json!({
        "document": "{}", "description": "text", "tags": [{"Key": "a", "Value": "b"}],
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 50, "exponentialRate": {
            "baseRatePerMinute": 10, "incrementFactor": 1.3,
            "rateIncreaseCriteria": {"numberOfSucceededThings": 3}}},
        "maintenanceWindows": [{"startTime": "0 3 ? * MON *", "durationInMinutes": 60}],
    }));
    template.job_template_id = "T".to_owned();
    model.create_job_template(&scope, template, at(1)).unwrap();
    let members = json!({
        "jobTemplateArn": arn("jobtemplate", "T"),
        "document": null,
        "targets": [arn("thinggroup", "site")],
        "targetSelection": "CONTINUOUS",
        "namespaceId": "acme",
        "schedulingConfig": {"startTime": "2023-11-16T00:00", "endTime": "2024-11-16T00:00"},
    });
    create(&mut model, "windows", members, at(2));
    create(&mut model, "plain", json!({"description": "before"}), at(3));
    join(&mut model, "hall", "gw-2", at(4));
    let mut more: AssociateTargets = parsed(json!({"targets": [thing_arn("gw-2")]}));
    create(
        &mut model,
        "open",
        json!({"targetSelection": "CONTINUOUS"}),
        at(5),
    );
    more.job_id = "open".to_owned();
    model.associate_targets(&scope, more, at(6)).unwrap();
    let mut change: UpdateJob = parsed(json!({"description": "after"}));
    change.job_id = "plain".to_owned();
    model.update_job(change, at(7)).unwrap();
    let tags: TagResource =
        parsed(json!({"resourceArn": arn("job", "plain"), "tags": [{"Key": "t", "Value": "v"}]}));
    model.tag_resource(&scope, tags).unwrap();
    let events: UpdateEventConfigurations =
        parsed(json!({"eventConfigurations": {"JOB": {"Enabled": true}}}));
    model.update_event_configurations(&events, at(8)).unwrap();
    let body =
        json!({"status": "IN_PROGRESS", "statusDetails": {"s": "1"}, "stepTimeoutInMinutes": 7});
    update(&mut model, "plain", body, at(9)).unwrap();
    let cancel = CancelJob {
        job_id: "open".to_owned(),
        reason_code: Some("WHY".to_owned()),
        comment: Some("text".to_owned()),
        ..CancelJob::default()
    };
    model.cancel_job(&scope, cancel, at(10)).unwrap();
    stock(&mut model);

    rows.follow(&mut model);
    let restored = rows.restore().unwrap();
    assert_eq!(inside(&restored), inside(&model));
    assert_eq!(restored.next_deadline(), model.next_deadline());
    assert_eq!(
        restored.event_configurations(),
        model.event_configurations()
    );
}

/// Two software packages with a version each, one of them the default, and a configuration.
fn stock(model: &mut Model) {
    for name in ["fw", "fw.app"] {
        let package = CreatePackage {
            package_name: name.to_owned(),
            client_token: Some(TOKEN.to_owned()).filter(|_| name == "fw"),
            ..parsed(json!({"description": "text", "tags": {"a": "b"}}))
        };
        model.create_package(&scope(), package, at(11)).unwrap();
        let location = json!({"bucket": "b", "key": "k", "version": "v"});
        let version = CreatePackageVersion {
            package_name: name.to_owned(),
            version_name: "1.0".to_owned(),
            ..parsed(json!({
                "description": "text", "attributes": {"a": "b"}, "recipe": "{}", "tags": {"c": "d"},
                "artifact": {"s3Location": location},
            }))
        };
        let made = model.create_package_version(&scope(), version, at(12));
        made.unwrap();
    }
    let publish = UpdatePackageVersion {
        package_name: "fw".to_owned(),
        version_name: "1.0".to_owned(),
        ..parsed(json!({"action": "PUBLISH"}))
    };
    model.update_package_version(publish, at(13)).unwrap();
    let default = UpdatePackage {
        package_name: "fw".to_owned(),
        ..parsed(json!({"defaultVersionName": "1.0"}))
    };
    model.update_package(default, at(14)).unwrap();
    let role = "arn:aws:iam::123456789012:role/shadow";
    let config = json!({"versionUpdateByJobsConfig": {"enabled": true, "roleArn": role}});
    model.update_package_configuration(parsed(config)).unwrap();
}

#[test]
fn a_client_token_is_remembered_with_its_request() {
    let (mut model, mut rows) = kept_model();
    stock(&mut model);
    rows.follow(&mut model);
    let mut restored = rows.restore().unwrap();
    let mut create = |description: &str| {
        let request = CreatePackage {
            package_name: "fw".to_owned(),
            client_token: Some(TOKEN.to_owned()),
            ..parsed(json!({"description": description, "tags": {"a": "b"}}))
        };
        let made = restored.create_package(&scope(), request, at(20));
        made.map_err(|error| error.to_string())
    };
    create("text").unwrap();
    assert_eq!(
        create("another").unwrap_err(),
        "The client token was used for a request with other parameters."
    );
}

#[test]
fn a_refused_update_of_a_version_changes_no_row() {
    let (mut model, mut rows) = kept_model();
    stock(&mut model);
    rows.follow(&mut model);
    let again = UpdatePackageVersion {
        package_name: "fw".to_owned(),
        version_name: "1.0".to_owned(),
        ..parsed(json!({"action": "PUBLISH"}))
    };
    model.update_package_version(again, at(20)).unwrap_err();
    assert_eq!(rows.follow(&mut model), 0);
}

#[test]
fn an_update_of_one_execution_changes_a_handful_of_small_rows() {
    let (mut model, mut rows) = kept_model();
    let document = format!("\"{}\"", "x".repeat(30_000));
    for count in 3..1500 {
        add_thing(&mut model, &format!("gw-{count}"));
        join(&mut model, "site", &format!("gw-{count}"), at(0));
    }
    let group = "arn:aws:iot:eu-west-1:123456789012:thinggroup/site";
    let targets = json!({"targets": [group, thing_arn("gw-1")], "document": document});
    create(&mut model, "J", targets, at(0));
    rows.follow(&mut model);

    report(&mut model, "J", "IN_PROGRESS", at(1));
    let changes = model.take_changes().unwrap();
    let kinds: Vec<_> = changes
        .iter()
        .map(|change| match change {
            Change::Put { kind, row, .. } => (*kind, row.len() < 1024),
            Change::Clear | Change::Delete { .. } | Change::DeleteBelow { .. } => {
                panic!("{change:?}")
            }
        })
        .collect();
    let small = |kind| (kind, true);
    assert_eq!(kinds, [Kind::Job, Kind::Execution].map(small));
}

#[test]
fn what_only_reads_changes_no_row() {
    let (mut model, mut rows) = kept_model();
    create(&mut model, "J", json!({}), at(0));
    rows.follow(&mut model);
    model.describe_job(&scope(), "J", at(1)).unwrap();
    model.advance(at(1));
    model.pending_job_executions(&thing("gw-1"), None).unwrap();
    let arn = "arn:aws:iot:eu-west-1:123456789012:job/J";
    model.list_tags_for_resource(&scope(), arn).unwrap();
    assert_eq!(rows.follow(&mut model), 0);
}

#[test]
fn nothing_is_noted_of_a_model_that_nobody_records() {
    let mut model = model();
    create(&mut model, "J", json!({}), at(0));
    assert!(model.take_changes().unwrap().is_empty());
    assert!(model.jobs.clone().take_touched().is_empty());
}

#[test]
fn a_job_made_anew_under_an_old_id_has_no_row_of_the_old_one() {
    let (mut model, mut rows) = kept_model();
    create(&mut model, "J", json!({}), at(0));
    rows.follow(&mut model);
    let delete = DeleteJob {
        job_id: "J".to_owned(),
        force: true,
        namespace_id: None,
    };
    model.delete_job(&delete, at(1)).unwrap();
    create(
        &mut model,
        "J",
        json!({"targets": [thing_arn("gw-2")]}),
        at(1),
    );
    rows.follow(&mut model);
    assert_eq!(rows.texts(), Rows::all(&model).texts());
}

#[test]
fn a_reset_leaves_no_row_and_is_recorded_on() {
    let (mut model, mut rows) = kept_model();
    model.reset();
    rows.follow(&mut model);
    assert_eq!(rows, Rows::default());
    add_thing(&mut model, "gw-3");
    rows.follow(&mut model);
    assert_eq!(rows.restore().unwrap().thing_count(), 1);
}

#[test]
fn an_event_choice_is_kept_and_counts_more_than_the_knob() {
    let (mut model, mut rows) = kept_model();
    let all = |model: &Model| model.event_configurations().event_configurations["JOB"].enabled;
    rows.follow(&mut model);
    assert!(
        all(&rows.restore().unwrap()),
        "the knob counts until somebody chose"
    );
    let off = parsed(json!({"eventConfigurations": {"JOB": {"Enabled": false}}}));
    model.update_event_configurations(&off, at(1)).unwrap();
    rows.follow(&mut model);
    assert!(!all(&rows.restore().unwrap()));
}

#[test]
fn rows_that_do_not_fit_together_are_refused_by_name() {
    let (mut model, mut rows) = kept_model();
    create(&mut model, "J", json!({}), at(0));
    rows.follow(&mut model);
    let without = |kind, key| rows.refused_without(kind, key);
    let with = |kind, key, row| rows.refused_with(kind, key, row);
    let execution = String::from_utf8(rows.0[&(Kind::Execution, "J/gw-1/1".to_owned())].clone());
    let newest = execution.unwrap().replace("\"order\":", "\"order\":9");
    for (says, error) in [
        ("row \"J\" of terms is missing", without(Kind::Terms, "J")),
        (
            "row \"J\" of documents is missing",
            without(Kind::Document, "J"),
        ),
        (
            "row \"site\" of groups is missing",
            without(Kind::Group, "site"),
        ),
        (
            "row \"J\" of terms: there is no such job",
            without(Kind::Job, "J"),
        ),
        (
            "row \"J\" of jobs: it is newer than the newest",
            without(Kind::Settings, "model"),
        ),
        (
            "row \"J/gw-1/1\" of executions: it is newer",
            with(Kind::Execution, "J/gw-1/1", &newest),
        ),
        (
            "row \"J/x\" of executions: its key is not",
            with(Kind::Execution, "J/x", "{}"),
        ),
        (
            "row \"a b\" of things: its key is not",
            with(Kind::Thing, "a b", "{}"),
        ),
        (
            "row \"gw-9\" of things: missing field",
            with(Kind::Thing, "gw-9", "{}"),
        ),
        (
            "row \"site/gw-9\" of members: there is no such thing",
            with(Kind::Member, "site/gw-9", "null"),
        ),
        (
            "row \"x/gw-1\" of members: there is no such group",
            with(Kind::Member, "x/gw-1", "null"),
        ),
        (
            "row \"x\" of settings: there are no such",
            with(Kind::Settings, "x", "{}"),
        ),
    ] {
        assert!(error.starts_with(says), "{error}");
    }
}

#[test]
fn rows_of_a_catalog_that_do_not_fit_together_are_refused_by_name() {
    let (mut model, mut rows) = kept_model();
    stock(&mut model);
    rows.follow(&mut model);
    let without = |kind, key| rows.refused_without(kind, key);
    let with = |kind, key, row| rows.refused_with(kind, key, row);
    for (says, error) in [
        (
            "row \"fw/1.0\" of package_versions is missing",
            without(Kind::PackageVersion, "fw/1.0"),
        ),
        (
            "row \"fw/1.0\" of package_versions: there is no such package",
            without(Kind::Package, "fw"),
        ),
        (
            "row \"fw\" of package_versions: its key is not",
            with(Kind::PackageVersion, "fw", "{}"),
        ),
        (
            "row \"t\" of tokens: its key is not",
            with(Kind::Token, "t", "{\"request\":\"\",\"order\":1}"),
        ),
    ] {
        assert!(error.starts_with(says), "{error}");
    }
}

/// What is told again, as (thing, namespace, first job of the list or next).
fn told_again(model: &mut Model, limit: usize) -> Vec<(String, Option<String>, String)> {
    let mut told = Vec::new();
    let mut last = None;
    loop {
        last = model.tell_again(last.as_ref(), limit, at(9));
        for effect in model.take_effects() {
            let (thing, namespace, what) = match effect {
                Effect::Notify {
                    thing,
                    namespace,
                    job,
                    ..
                } => (thing, namespace, format!("{job}?")),
                Effect::NotifyNext {
                    thing,
                    namespace,
                    next,
                } => (thing, namespace, next.unwrap().job_id.to_string()),
                Effect::Event(event) => panic!("{event:?}"),
            };
            told.push((
                thing.to_string(),
                namespace.map(|name| name.to_string()),
                what,
            ));
        }
        if last.is_none() {
            return told;
        }
    }
}

#[test]
fn what_is_told_again_is_what_was_told_last_and_changes_nothing() {
    let (mut model, mut rows) = kept_model();
    create(
        &mut model,
        "J",
        json!({"targets": [thing_arn("gw-1"), thing_arn("gw-2")]}),
        at(0),
    );
    create(&mut model, "A", json!({"namespaceId": "acme"}), at(1));
    model.take_effects();
    rows.follow(&mut model);
    let mut model = rows.restore().unwrap();
    let expected = [
        ("gw-1", None, "J?"),
        ("gw-1", None, "J"),
        // J is ahead of A, so that A was never told to be next.
        ("gw-1", Some("acme"), "A?"),
        ("gw-2", None, "J?"),
        ("gw-2", None, "J"),
    ];
    let expected = expected.map(|(thing, namespace, what)| {
        (
            thing.to_owned(),
            namespace.map(str::to_owned),
            what.to_owned(),
        )
    });
    for limit in [1, 2, 10] {
        assert_eq!(told_again(&mut model, limit), expected);
    }
    assert_eq!(rows.follow(&mut model), 0);
}
