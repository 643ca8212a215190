//! As much of MQTT 3.1.1 as one device speaks, written and read without a client library.
//!
//! Requests and acknowledgements are appended to a buffer; [`read`] borrows one packet from the front of
//! what has arrived. No state is kept: packet ids and order are the caller's.

use core::str;

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const PUBACK: u8 = 0x40;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
const PINGREQ: u8 = 0xc0;
const PINGRESP: u8 = 0xd0;
const DISCONNECT: u8 = 0xe0;

const QOS_1: u8 = 1;
const QOS_1_FLAG: u8 = 0x02;
const QOS_FLAGS: u8 = 0x06;
const KEEPS_SESSION: u8 = 0x00;
/// The longest packet that is waited for: AWS IoT sends none that is longer.
const PACKET_LIMIT: usize = 146 * 1024;

/// What a server sends to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    /// The answer to CONNECT: zero lets the device in.
    Connack {
        /// The return code.
        code: u8,
    },
    /// The answer to PINGREQ.
    Pingresp,
    /// The answer to a QoS 1 message.
    Puback {
        /// Which message.
        id: u16,
    },
    /// A message.
    Publish {
        /// Where it was published.
        topic: &'a str,
        /// What it says.
        payload: &'a [u8],
        /// Set for QoS 1.
        id: Option<u16>,
    },
    /// The answer to SUBSCRIBE: one code for each filter.
    Suback {
        /// The codes.
        codes: &'a [u8],
    },
}

impl Packet<'_> {
    /// Its name in the standard.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Connack { .. } => "CONNACK",
            Self::Pingresp => "PINGRESP",
            Self::Puback { .. } => "PUBACK",
            Self::Publish { .. } => "PUBLISH",
            Self::Suback { .. } => "SUBACK",
        }
    }
}

/// Bytes that no server may send to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed MQTT packet")]
pub(crate) struct Malformed;

/// Reads the packet at the front of `bytes` and says how long it is; `None` until all of it is there.
pub(crate) fn read(bytes: &[u8]) -> Result<Option<(Packet<'_>, usize)>, Malformed> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let Some((len, body)) = read_length(rest)? else {
        return Ok(None);
    };
    if len > PACKET_LIMIT {
        return Err(Malformed);
    }
    let Some(body) = body.get(..len) else {
        return Ok(None);
    };
    let header = bytes.len() - rest.len() + length_of(len);
    Ok(Some((read_body(first, body)?, header + len)))
}

fn read_body(first: u8, body: &[u8]) -> Result<Packet<'_>, Malformed> {
    match (first & 0xf0, body) {
        (CONNACK, [_, code]) => Ok(Packet::Connack { code: *code }),
        (PINGRESP, []) => Ok(Packet::Pingresp),
        (PUBACK, [high, low]) => Ok(Packet::Puback {
            id: u16::from_be_bytes([*high, *low]),
        }),
        (SUBACK, [_, _, codes @ ..]) => Ok(Packet::Suback { codes }),
        (PUBLISH, body) => read_publish(first, body),
        _ => Err(Malformed),
    }
}

fn read_publish(first: u8, body: &[u8]) -> Result<Packet<'_>, Malformed> {
    let (len, body) = read_u16(body)?;
    let (topic, body) = body.split_at_checked(len.into()).ok_or(Malformed)?;
    let topic = str::from_utf8(topic).map_err(|_| Malformed)?;
    let (id, payload) = if first & QOS_FLAGS == 0 {
        (None, body)
    } else {
        let (id, payload) = read_u16(body)?;
        (Some(id), payload)
    };
    Ok(Packet::Publish { topic, payload, id })
}

fn read_u16(bytes: &[u8]) -> Result<(u16, &[u8]), Malformed> {
    let (number, rest) = bytes.split_first_chunk().ok_or(Malformed)?;
    Ok((u16::from_be_bytes(*number), rest))
}

/// Reads a remaining length, of four bytes at most.
fn read_length(bytes: &[u8]) -> Result<Option<(usize, &[u8])>, Malformed> {
    let mut len = 0;
    for (at, byte) in bytes.iter().take(4).enumerate() {
        len |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(bytes.get(at + 1..).map(|rest| (len, rest)));
        }
    }
    if bytes.len() < 4 {
        Ok(None)
    } else {
        Err(Malformed)
    }
}

fn length_of(len: usize) -> usize {
    match len {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

/// Appends CONNECT of a device that keeps its session.
pub(crate) fn connect(out: &mut Vec<u8>, client_id: &str, keep_alive: u16) {
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, KEEPS_SESSION];
    body.extend(keep_alive.to_be_bytes());
    text(&mut body, client_id);
    packet(out, CONNECT, &body);
}

/// Appends SUBSCRIBE at QoS 1.
pub(crate) fn subscribe(out: &mut Vec<u8>, id: u16, filters: &[String]) {
    let mut body = id.to_be_bytes().to_vec();
    for filter in filters {
        text(&mut body, filter);
        body.push(QOS_1);
    }
    packet(out, SUBSCRIBE, &body);
}

/// Appends a message at QoS 1.
pub(crate) fn publish(out: &mut Vec<u8>, id: u16, topic: &str, payload: &[u8]) {
    let mut body = Vec::with_capacity(topic.len() + payload.len() + 4);
    text(&mut body, topic);
    body.extend(id.to_be_bytes());
    body.extend(payload);
    packet(out, PUBLISH | QOS_1_FLAG, &body);
}

/// Appends the acknowledgement of a message.
pub(crate) fn puback(out: &mut Vec<u8>, id: u16) {
    packet(out, PUBACK, &id.to_be_bytes());
}

/// Appends PINGREQ.
pub(crate) fn pingreq(out: &mut Vec<u8>) {
    packet(out, PINGREQ, &[]);
}

/// Appends DISCONNECT.
pub(crate) fn disconnect(out: &mut Vec<u8>) {
    packet(out, DISCONNECT, &[]);
}

fn packet(out: &mut Vec<u8>, first: u8, body: &[u8]) {
    out.push(first);
    let mut len = body.len();
    loop {
        let low = (len & 0x7f) as u8;
        len >>= 7;
        if len == 0 {
            out.push(low);
            break;
        }
        out.push(low | 0x80);
    }
    out.extend(body);
}

/// Names and topics are far shorter than the 64 KiB that a length field can say.
fn text(out: &mut Vec<u8>, text: &str) {
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend(len.to_be_bytes());
    out.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connect_is_that_of_the_standard() {
        let mut out = Vec::new();
        connect(&mut out, "gw", 60);
        assert_eq!(out, b"\x10\x0e\0\x04MQTT\x04\0\0\x3c\0\x02gw");
    }

    #[test]
    fn a_subscribe_lists_its_filters_at_qos_1() {
        let mut out = Vec::new();
        subscribe(&mut out, 7, &["a".to_owned(), "b/+".to_owned()]);
        assert_eq!(out, b"\x82\x0c\0\x07\0\x01a\x01\0\x03b/+\x01");
    }

    #[test]
    fn a_message_is_read_as_it_was_written_whatever_its_length() {
        for len in [0, 0x79, 0x7a, 0x80, 0x3ff9, 0x3ffa, 0x4000, 100_000] {
            let payload = vec![b'x'; len];
            let mut out = Vec::new();
            publish(&mut out, 9, "t", &payload);
            let whole = out.len();
            out.extend(b"\xd0\0");

            let read = read(&out).unwrap();

            let message = Packet::Publish {
                topic: "t",
                payload: &payload,
                id: Some(9),
            };
            assert_eq!(read, Some((message, whole)), "{len}");
        }
    }

    #[test]
    fn a_packet_is_waited_for_until_its_last_byte() {
        let mut out = Vec::new();
        publish(&mut out, 9, "topic", &[b'x'; 200]);
        for len in 0..out.len() {
            assert_eq!(read(&out[..len]), Ok(None), "{len}");
        }
    }

    #[test]
    fn a_message_at_qos_0_has_no_id() {
        let message = Packet::Publish {
            topic: "t",
            payload: b"x",
            id: None,
        };
        assert_eq!(read(b"\x30\x04\0\x01tx"), Ok(Some((message, 6))));
    }

    #[test]
    fn answers_are_read() {
        let codes = [1, 0x80];
        for (bytes, packet) in [
            (b"\x20\x02\0\x05".as_slice(), Packet::Connack { code: 5 }),
            (b"\x40\x02\x01\0", Packet::Puback { id: 256 }),
            (b"\x90\x04\0\x01\x01\x80", Packet::Suback { codes: &codes }),
            (b"\xd0\0", Packet::Pingresp),
        ] {
            assert_eq!(read(bytes), Ok(Some((packet, bytes.len()))));
        }
    }

    #[test]
    fn what_no_server_sends_is_malformed() {
        for bytes in [
            b"\x10\x01x".as_slice(),
            b"\x20\x01\0",
            b"\x32\x03\0\x01t",
            b"\x30\x03\0\x01\xff",
            b"\xd0\x80\x80\x80\x80",
            b"\x30\xff\xff\xff\x7f",
        ] {
            assert_eq!(read(bytes), Err(Malformed), "{bytes:?}");
        }
    }
}
