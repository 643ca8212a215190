//! How faults are written in JSON, where their types alone do not say it.

use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time: a number of seconds, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "f64")]
pub struct Seconds(Duration);

/// A number that is no length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSeconds;

/// The faults that stay: one, or a list of them; written as a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Standing<F>(pub Vec<F>);

impl Seconds {
    /// The time.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl fmt::Display for NoSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time is a number of seconds from 0 on")
    }
}

impl TryFrom<f64> for Seconds {
    type Error = NoSeconds;

    fn try_from(seconds: f64) -> Result<Self, NoSeconds> {
        let time = Duration::try_from_secs_f64(seconds).map_err(|_| NoSeconds)?;
        let millis = u64::try_from(time.as_millis()).map_err(|_| NoSeconds)?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.subsec_millis() {
            0 => serializer.serialize_u64(self.0.as_secs()),
            _ => serializer.serialize_f64(self.0.as_secs_f64()),
        }
    }
}

impl<F> Default for Standing<F> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, F: Deserialize<'de>> Deserialize<'de> for Standing<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMore(PhantomData))
    }
}

/// Unlike an untagged enum, it says what is wrong with a fault.
struct OneOrMore<F>(PhantomData<F>);

impl<'de, F: Deserialize<'de>> Visitor<'de> for OneOrMore<F> {
    type Value = Standing<F>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fault or a list of faults")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        let fault = F::deserialize(MapAccessDeserializer::new(members))?;
        Ok(Standing(vec![fault]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut faults: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(fault) = faults.next_element()? {
            list.push(fault);
        }
        Ok(Standing(list))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_str, to_string};

    use super::*;

    #[test]
    fn a_time_is_written_as_it_was_read() {
        for text in ["0", "5", "0.5", "1.25", "86400"] {
            let seconds: Seconds = from_str(text).unwrap();
            assert_eq!(to_string(&seconds).unwrap(), text);
        }
        for text in ["-1", "1e30", "null", "\"1\""] {
            assert!(from_str::<Seconds>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn one_fault_is_as_good_as_a_list_of_one() {
        let read = |text| from_str::<Standing<[u8; 1]>>(text).map_err(|error| error.to_string());
        assert_eq!(read("[[1],[2]]"), Ok(Standing(vec![[1], [2]])));
        let wrong = read("7").unwrap_err();
        assert!(wrong.contains("a fault or a list of faults"), "{wrong}");
    }
}
