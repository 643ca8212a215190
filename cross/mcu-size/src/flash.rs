//! An image that holds the parts of the codec which its features name, and nothing that calls them: only their addresses leave
//! `main`, so that the linker keeps them whole.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use cortex_m_rt::entry;

#[cfg(feature = "parse")]
mod parse {
    use core::hint::black_box;

    use iot_jobs_proto::wire::response::{Described, MessageError};

    type Parse = fn(&'static [u8]) -> Result<Described<'static>, MessageError>;

    pub(crate) fn keep() {
        black_box(Described::parse as Parse);
    }
}

#[cfg(feature = "rest")]
mod rest {
    use core::hint::black_box;

    use iot_jobs_proto::details::{DetailsError, StatusDetails};
    use iot_jobs_proto::wire::response::{MessageError, Pending, Rejected, Updated};

    type Details = StatusDetails<128>;
    type Insert = fn(&mut Details, &str, &str) -> Result<(), DetailsError>;
    type Parse<T> = fn(&'static [u8]) -> Result<T, MessageError>;

    pub(crate) fn keep() {
        black_box(Details::insert as Insert);
        black_box(Pending::parse as Parse<Pending<'static>>);
        black_box(Rejected::parse as Parse<Rejected<'static>>);
        black_box(Updated::parse as Parse<Updated<'static>>);
    }
}

#[cfg(feature = "topic")]
mod topic {
    use core::hint::black_box;

    use iot_jobs_proto::names::{JobId, NameError, Namespace, ThingName};
    use iot_jobs_proto::topic::{
        Inbound, TOPIC_LEN_MAX, Target, TopicError, TopicTooLong, describe, update,
    };

    type Name<T> = fn(&str) -> Result<T, NameError>;
    type Parse = fn(&'static str, &ThingName) -> Result<Inbound<'static>, TopicError>;
    type Topic = Result<heapless::String<TOPIC_LEN_MAX>, TopicTooLong>;
    type Describe = fn(&ThingName, &Namespace, Target<'_>) -> Topic;
    type Update = fn(&ThingName, &Namespace, &JobId) -> Topic;

    pub(crate) fn keep() {
        black_box(ThingName::parse as Name<ThingName>);
        black_box(JobId::parse as Name<JobId>);
        black_box(Inbound::parse as Parse);
        black_box(describe as Describe);
        black_box(update as Update);
    }
}

#[cfg(feature = "update")]
mod update {
    use core::hint::black_box;

    use iot_jobs_proto::json::BufferTooSmall;
    use iot_jobs_proto::names::{ClientToken, NameError};
    use iot_jobs_proto::wire::request::Update;

    type Name<T> = fn(&str) -> Result<T, NameError>;
    type Write = fn(&Update<'static, 128>, &mut [u8]) -> Result<usize, BufferTooSmall>;

    pub(crate) fn keep() {
        black_box(ClientToken::parse as Name<ClientToken>);
        black_box(Update::<'static, 128>::write as Write);
    }
}

#[entry]
fn main() -> ! {
    #[cfg(feature = "parse")]
    parse::keep();
    #[cfg(feature = "rest")]
    rest::keep();
    #[cfg(feature = "topic")]
    topic::keep();
    #[cfg(feature = "update")]
    update::keep();
    loop {
        cortex_m::asm::nop();
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        cortex_m::asm::nop();
    }
}
