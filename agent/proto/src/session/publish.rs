//! A request as one action: topic and body, written one behind the other into the driver's buffer.

use heapless::String;

use crate::event::Event;
use crate::json::BufferTooSmall;
use crate::session::Action;
use crate::session::context::Context;
use crate::topic::{TOPIC_LEN_MAX, TopicTooLong};
use crate::wire::request::{Describe, Pending, Update};

/// The body of a request.
pub(crate) enum Publish<'r, 'b, const D: usize> {
    /// DescribeJobExecution.
    Describe(&'r Describe<'b>),
    /// GetPendingJobExecutions.
    Pending(&'r Pending<'b>),
    /// UpdateJobExecution.
    Update(&'r Update<'b, D>),
}

impl<const D: usize> Publish<'_, '_, D> {
    fn write(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        match self {
            Self::Describe(body) => body.write(buffer),
            Self::Pending(body) => body.write(buffer),
            Self::Update(body) => body.write(buffer),
        }
    }
}

/// Writes a request. What cannot be written is logged and counts as sent: it is tried again when its answer is overdue.
pub(crate) fn compose<'a, const D: usize>(
    cx: &mut Context,
    buffer: &'a mut [u8],
    topic: Result<String<TOPIC_LEN_MAX>, TopicTooLong>,
    body: Publish<'_, '_, D>,
) -> Option<Action<'a, D>> {
    let topic = match topic {
        Ok(topic) => topic,
        Err(TopicTooLong { len }) => {
            cx.log(Event::TopicTooLong(len));
            return None;
        }
    };
    let Some((head, rest)) = buffer.split_at_mut_checked(topic.len()) else {
        cx.log(Event::BufferTooSmall(topic.len()));
        return None;
    };
    head.copy_from_slice(topic.as_bytes());
    let len = match body.write(rest) {
        Ok(len) => len,
        Err(BufferTooSmall { needed, .. }) => {
            cx.log(Event::BufferTooSmall(topic.len() + needed));
            return None;
        }
    };
    Some(Action::Publish {
        topic: core::str::from_utf8(head).ok()?,
        payload: rest.get(..len)?,
    })
}
