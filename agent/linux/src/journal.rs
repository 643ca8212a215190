//! Everything that the agent logs of its work: one INFO line for each change of an execution's state.
//!
//! The core emits [`Event`]s; this file turns them into records. Ids sit in the span, numbers in fields, messages are constant.
//! A URL's query, a job document or a key is never logged, at any level: nothing here is given one.
//!
//! Under systemd a record carries its priority as `<N>` (`sd-daemon(3)`) and no time, since the journal has both; elsewhere it
//! carries the time.

use core::fmt;
use core::time::Duration;
use std::env;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use iot_jobs_config::LogLevel;
use iot_jobs_handler::{Downloaded, Failure};
use iot_jobs_proto::event::Event;
use iot_jobs_proto::names::{Namespace, ThingName};
use iot_jobs_proto::session::ExecutionId;
use iot_jobs_proto::wire::status::Status;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Span};
use tracing_subscriber::fmt::format::{self, Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::cause::Cause;
use crate::dispatch::Rejection;

/// Names the least urgent level that is logged, instead of the configured one.
pub(crate) const LEVEL_VARIABLE: &str = "IOT_JOBS_LOG";

/// Starts to log to standard error. A level that does not exist is reported once it does.
pub(crate) fn start(configured: LogLevel) {
    let configured = filter(configured);
    let wanted = env::var(LEVEL_VARIABLE).ok();
    let level = wanted.as_deref().map_or(Ok(configured), str::parse);
    let builder = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(level.as_ref().copied().unwrap_or(configured))
        // The library tells of a broken standard error on standard error, and panics there: a full disk or a journal that
        // restarts must not end the agent.
        .log_internal_errors(false);
    let started = if is_journal() {
        builder.event_format(Prioritised::default()).try_init()
    } else {
        builder.with_target(false).try_init()
    };
    // Somebody else logs already: a test.
    drop(started);
    if level.is_err() {
        tracing::warn!(
            variable = LEVEL_VARIABLE,
            value = wanted.unwrap_or_default(),
            "unknown log level, taking the configured one"
        );
    }
}

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// The span of everything that concerns one execution.
pub(crate) fn span(execution: &ExecutionId) -> Span {
    tracing::error_span!(
        "job",
        namespace = namespace_name(&execution.namespace),
        job = execution.job.as_str(),
        execution = execution.number,
    )
}

/// Logs what happened in a session.
pub(crate) fn log(event: &Event) {
    match event {
        Event::Linked => tracing::debug!("asking for jobs"),
        // Told by [`subscribed`], once for all filters.
        Event::SubscriptionDenied(filter) => tracing::debug!(filter, "filter denied"),
        Event::NothingPending => tracing::debug!("nothing pending"),
        Event::Offered(id) => within(id, || tracing::debug!("offered job")),
        Event::LeftAlone(id) => within(id, || tracing::info!("left job to another agent")),
        Event::Postponed(id) => within(id, || tracing::debug!("postponed job")),
        Event::Claimed(id) => within(id, || tracing::info!("claimed job")),
        Event::Resumed(id) => within(id, || tracing::info!("resumed job")),
        Event::Started(id, run) => within(id, || tracing::info!(?run, "started handler")),
        Event::Deferred(id, wait) => within(id, || tracing::info!(?wait, "deferred job")),
        Event::Cancelled(id, reason) => within(id, || tracing::info!(?reason, "cancelled handler")),
        Event::Suspended(id) => within(id, || tracing::info!("suspended job")),
        Event::EndedByService(id, status) => within(id, || {
            let status = status.map_or("gone", Status::as_str);
            tracing::info!(status, "job ended by the service");
        }),
        Event::Rebooting(id) => within(id, || tracing::info!("job waits for a reboot")),
        Event::Restarting(id) => within(id, || tracing::info!("job waits for a restart")),
        Event::RollingBack(id) => within(id, || tracing::warn!("rolling back the trial image")),
        Event::Held(id, status) => {
            within(id, || tracing::info!(status = status.as_str(), "ended job"));
        }
        Event::Reported {
            execution,
            status,
            attempts,
        } => within(execution, || {
            tracing::info!(status = status.as_str(), attempts, "reported job");
        }),
        Event::ReportRefused {
            execution,
            status,
            code,
            actual,
        } => within(execution, || {
            let actual = actual.map_or("unknown", Status::as_str);
            tracing::warn!(status = status.as_str(), ?code, actual, "report refused");
        }),
        Event::DetailsRefused(id) => within(id, || tracing::warn!("status details refused")),
        Event::RequestRefused(code) => tracing::warn!(?code, "request refused"),
        Event::Unanswered => tracing::debug!("request not answered, sending it again"),
        Event::Unreadable => tracing::warn!("message not understood"),
        // Said with its cause where it was tried.
        Event::SaveFailed(retry_in) => tracing::debug!(?retry_in, "record not saved"),
        Event::BufferTooSmall(needed) => tracing::error!(needed, "message too large to publish"),
        Event::HandlerStateTooLong(bytes) => tracing::error!(bytes, "handler state too long"),
        Event::TopicTooLong(needed) => tracing::error!(needed, "topic too long to publish"),
        other => tracing::debug!(?other, "event"),
    }
}

/// Logs that a document was refused, and why.
pub(crate) fn refused(id: &ExecutionId, rejection: &Rejection) {
    within(id, || {
        tracing::warn!(
            reason = rejection.reason,
            cause = rejection.message.as_str(),
            "refused document"
        );
    });
}

/// Logs that a handler failed, and why.
pub(crate) fn handler_failed(id: &ExecutionId, failure: &Failure) {
    within(id, || {
        tracing::warn!(
            reason = failure.code,
            cause = failure.message.as_str(),
            "handler failed"
        );
    });
}

/// Logs that a handler ended because it was told to.
pub(crate) fn handler_stopped(id: &ExecutionId) {
    within(id, || tracing::info!("stopped handler"));
}

/// Logs what a handler is at now. Called within its span.
pub(crate) fn phase(phase: &str) {
    tracing::debug!(phase, "handler goes on");
}

/// Logs that a download is complete. Called within its handler's span.
pub(crate) fn downloaded(done: &Downloaded) {
    tracing::info!(
        bytes = done.bytes,
        refetched = done.refetched,
        "downloaded artifact"
    );
}

/// Logs that an expired URL was replaced. Called within its handler's span.
pub(crate) fn renewed() {
    tracing::info!("renewed URL");
}

/// Logs that the connection is gone; at WARN only when the cause is another than before.
pub(crate) fn link_down(cause: &Cause, news: bool, retry_in: Duration) {
    if news {
        let help = cause.help();
        tracing::warn!(cause = cause.to_string(), help, ?retry_in, "link down");
    } else {
        tracing::debug!(%cause, ?retry_in, "link still down");
    }
}

/// Logs that the connection is there; at INFO only when it was said to be down, or nothing was said yet.
pub(crate) fn link_up(session_present: bool, news: bool) {
    if news {
        tracing::info!(session_present, "link up");
    } else {
        tracing::debug!(session_present, "link up again");
    }
}

/// Logs what the broker said to the subscriptions of a namespace. Called when it says something else than before.
pub(crate) fn subscribed(namespace: &str, thing: &ThingName, granted: &[bool]) {
    let denied = granted.iter().filter(|granted| !**granted).count();
    if denied == 0 {
        tracing::info!(namespace, "subscribed");
        return;
    }
    let help = format!(
        "check that the policy allows iot:Subscribe on topicfilter/$aws/things/{thing}/jobs/*"
    );
    let filters = granted.len();
    tracing::warn!(namespace, denied, filters, help, "subscription denied");
}

fn within(id: &ExecutionId, log: impl FnOnce()) {
    span(id).in_scope(log);
}

/// What operators call a namespace.
pub(crate) fn namespace_name(namespace: &Namespace) -> &str {
    match namespace {
        Namespace::Default => "default",
        Namespace::Named(id) => id.as_str(),
    }
}

/// Whether standard error is the stream that systemd connected to the journal (`systemd.exec(5)`, `$JOURNAL_STREAM`).
fn is_journal() -> bool {
    let Ok(stream) = env::var("JOURNAL_STREAM") else {
        return false;
    };
    std::fs::metadata("/proc/self/fd/2")
        .is_ok_and(|stderr| stream == format!("{}:{}", stderr.dev(), stderr.ino()))
}

/// Formats for the journal: priority, message, fields.
#[derive(Debug)]
struct Prioritised {
    inner: Format<format::Full, ()>,
}

impl Default for Prioritised {
    fn default() -> Self {
        Self {
            inner: Format::default()
                .without_time()
                .with_level(false)
                .with_target(false),
        }
    }
}

impl<S, N> FormatEvent<S, N> for Prioritised
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> fmt::Result {
        write!(writer, "<{}>", priority(*event.metadata().level()))?;
        self.inner.format_event(context, writer, event)
    }
}

/// The syslog priority of a level.
const fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[test]
    fn a_record_for_the_journal_begins_with_its_priority_and_has_no_time() {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(lines.clone())
            .event_format(Prioritised::default())
            .finish();

        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(cause = "no route", "link down");
        });

        assert_eq!(lines.text(), "<4>link down cause=\"no route\"\n");
    }

    /// What was logged.
    #[derive(Debug, Clone, Default)]
    pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        fn append(&self, bytes: &[u8]) {
            self.0.lock().unwrap().extend_from_slice(bytes);
        }

        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.append(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }
}
