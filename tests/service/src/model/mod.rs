//! The rules of AWS IoT Jobs, pure.
//!
//! [`Model`] owns no socket, clock, file, thread or random source. An operation is a method that
//! takes what was asked and `now`, and answers with a typed result or error; whatever it changes
//! for a device is appended to the effects, which [`Model::take_effects`] hands over. Time that
//! passes by itself is told with [`Model::advance`] when [`Model::next_deadline`] is due.

pub mod document;
pub mod error;
pub mod names;
pub mod operation;
pub mod request;
pub mod status;
pub mod time;
pub mod view;

use names::{JobId, NamespaceId, Scope, ThingName};
use operation::{JobExecution, Pending};
use time::Timestamp;

use error::ControlError;

/// Choices where AWS's behaviour is unknown, or where tests want more than AWS does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Knobs {
    /// Refuse status details whose values are not strings. AWS takes scalars.
    pub strict_status_details: bool,
    /// Publish notify-next of a namespace even while another namespace heads the thing's queue.
    /// AWS does not (aws-greengrass-lite issue #1151).
    pub notify_next_per_namespace: bool,
}

/// What a device must be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The set of pending executions changed.
    Notify {
        /// The thing to tell.
        thing: ThingName,
        /// The namespace whose set changed.
        namespace: Option<NamespaceId>,
        /// The job whose execution came or went.
        job: JobId,
        /// What is pending.
        pending: Pending,
    },
    /// Another execution is the first pending one.
    NotifyNext {
        /// The thing to tell.
        thing: ThingName,
        /// The namespace whose first execution changed.
        namespace: Option<NamespaceId>,
        /// The first pending execution, with its document.
        next: Option<Box<JobExecution>>,
    },
}

/// Things, groups, jobs and executions.
#[derive(Debug, Default)]
pub struct Model {
    knobs: Knobs,
    effects: Vec<Effect>,
}

impl Model {
    /// A service without things and jobs.
    pub fn new(knobs: Knobs) -> Self {
        Self {
            knobs,
            ..Self::default()
        }
    }

    /// Forgets everything but the knobs. Devices are not told.
    pub fn reset(&mut self) {
        *self = Self::new(self.knobs);
    }

    /// What devices must be told since the last call, in order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        core::mem::take(&mut self.effects)
    }

    /// When [`Model::advance`] has something to do.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        unimplemented!()
    }

    /// Ends the executions whose timers have run out at `now`.
    pub fn advance(&mut self, _now: Timestamp) {
        unimplemented!()
    }
}

macro_rules! planned {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {
        impl Model { $( $(#[$doc])* pub fn $name(&mut self, $($arg: $ty),*) -> Result<$out, ControlError> { $(let _ = $arg;)* unimplemented!() } )* }
    };
}

planned! {
    /// CreateThing.
    create_thing(scope: &Scope, request: request::CreateThing, now: Timestamp) -> view::ThingIdentity;
    /// DescribeThing.
    describe_thing(scope: &Scope, name: &str) -> view::ThingDescription;
    /// ListThings.
    list_things(scope: &Scope, request: &request::ListThings) -> view::ThingList;
    /// UpdateThing.
    update_thing(request: request::UpdateThing) -> ();
    /// DeleteThing.
    delete_thing(name: &str, expected_version: Option<i64>, now: Timestamp) -> ();
    /// CreateThingGroup.
    create_thing_group(scope: &Scope, request: request::CreateThingGroup, now: Timestamp) -> view::GroupIdentity;
    /// DescribeThingGroup.
    describe_thing_group(scope: &Scope, name: &str) -> view::GroupDescription;
    /// ListThingGroups.
    list_thing_groups(scope: &Scope, request: &request::ListThingGroups) -> view::GroupList;
    /// DeleteThingGroup.
    delete_thing_group(name: &str, expected_version: Option<i64>) -> ();
    /// AddThingToThingGroup.
    add_thing_to_thing_group(scope: &Scope, request: &request::GroupMembership) -> ();
    /// RemoveThingFromThingGroup.
    remove_thing_from_thing_group(scope: &Scope, request: &request::GroupMembership) -> ();
    /// ListThingsInThingGroup.
    list_things_in_thing_group(request: &request::ListThingsInThingGroup) -> view::MemberList;
    /// ListThingGroupsForThing.
    list_thing_groups_for_thing(scope: &Scope, name: &str, page: &request::PageRequest) -> view::GroupList;
    /// ListTagsForResource.
    list_tags_for_resource(scope: &Scope, arn: &str) -> view::TagList;
    /// CreateJob. If `document_source` is set, so must be `fetched`.
    create_job(scope: &Scope, request: request::CreateJob, now: Timestamp) -> view::JobReference;
    /// DescribeJob.
    describe_job(scope: &Scope, id: &str) -> view::JobDescription;
    /// ListJobs.
    list_jobs(scope: &Scope, request: &request::ListJobs) -> view::JobList;
    /// CancelJob.
    cancel_job(scope: &Scope, request: request::CancelJob, now: Timestamp) -> view::JobReference;
    /// DeleteJob.
    delete_job(request: &request::DeleteJob, now: Timestamp) -> ();
    /// GetJobDocument.
    job_document(id: &str) -> view::JobDocument;
    /// DescribeJobExecution of the control plane.
    describe_job_execution(scope: &Scope, request: &request::DescribeJobExecution, now: Timestamp) -> view::JobExecutionDescription;
    /// ListJobExecutionsForJob.
    list_job_executions_for_job(scope: &Scope, request: &request::ListJobExecutionsForJob) -> view::JobExecutionsForJob;
    /// ListJobExecutionsForThing.
    list_job_executions_for_thing(request: &request::ListJobExecutionsForThing) -> view::JobExecutionsForThing;
    /// CancelJobExecution.
    cancel_job_execution(request: request::CancelJobExecution, now: Timestamp) -> ();
    /// DeleteJobExecution.
    delete_job_execution(request: &request::DeleteJobExecution, now: Timestamp) -> ();
}
