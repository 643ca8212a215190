//! Everything about the service that can be chosen, each by its name.
//!
//! [`Knobs`] holds the choices of all parts. Who sets one from outside names it, be it in the JSON of
//! `/_local/knobs` or after `--knob`: the names, what may stand behind them and where AWS documents it are in
//! one table, which [`listing`] prints. Either all that is asked is set, or nothing, and then every problem is told.

mod table;

use core::fmt;

use serde_json::{Map, Value};

use crate::broker::MqttQuotas;
use crate::model;
use crate::throttle::Rates;

pub use table::listing;
use table::{Access, Knob, TABLE};

/// The name under which all quotas are set together.
const QUOTAS: &str = "quotas";
/// The word for a rate that is not limited.
const OFF: &str = "off";
/// The highest rate.
const MAX_RATE: u32 = 1_000_000;
/// The most problems that are told.
const MAX_TOLD: usize = 64;
/// The most characters of a name or a value that are repeated.
const MAX_ECHO: usize = 64;

/// The choices of all parts of the service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Knobs {
    /// In the rules of jobs.
    pub jobs: model::Knobs,
    /// On the embedded broker.
    pub mqtt: MqttQuotas,
    /// In how many requests are taken.
    pub rates: Rates,
}

/// A knob that is to be set: its name, and what to.
pub type Setting = (String, Value);

/// Why knobs cannot be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnobsError {
    problems: Vec<Problem>,
    more: usize,
}

/// Why one knob cannot be set.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The quota is of MQTT, and the broker is not the service's own.
    #[error("{name} cannot be set: it is up to the outside broker")]
    ForeignBroker {
        /// The knob.
        name: String,
    },
    /// The value is not one that the knob can have.
    #[error("{name} cannot be {value}: {expected} is expected")]
    Illegal {
        /// The knob.
        name: String,
        /// The value.
        value: String,
        /// What it can be.
        expected: String,
    },
    /// No knob has the name.
    #[error("there is no knob {name}")]
    Unknown {
        /// The name.
        name: String,
    },
}

impl Knobs {
    /// Sets all that is asked for, in this order, or nothing.
    ///
    /// # Errors
    ///
    /// Fails with every problem if a name is none, or a value is none of the knob's.
    pub fn set(&mut self, asked: impl IntoIterator<Item = Setting>) -> Result<(), KnobsError> {
        self.turn_all(asked, Self::turn)
    }

    /// Like [`Knobs::set`], for a service on an outside broker: the quotas of MQTT are that broker's, so that
    /// what would change one is refused, and all quotas together are set without them.
    ///
    /// # Errors
    ///
    /// Fails as [`Knobs::set`] does, and if a quota of MQTT would become another.
    pub fn set_on_outside_broker(
        &mut self,
        asked: impl IntoIterator<Item = Setting>,
    ) -> Result<(), KnobsError> {
        self.turn_all(asked, Self::turn_on_outside_broker)
    }

    fn turn_all(
        &mut self,
        asked: impl IntoIterator<Item = Setting>,
        turn: impl Fn(&mut Self, &str, &Value) -> Result<(), Problem>,
    ) -> Result<(), KnobsError> {
        let mut knobs = *self;
        let problems: Vec<_> = asked
            .into_iter()
            .filter_map(|(name, value)| turn(&mut knobs, &name, &value).err())
            .collect();
        if problems.is_empty() {
            *self = knobs;
            return Ok(());
        }
        let more = problems.len().saturating_sub(MAX_TOLD);
        let problems = problems.into_iter().take(MAX_TOLD).collect();
        Err(KnobsError { problems, more })
    }

    /// All knobs as JSON: what stands before a point in a name is an object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut tree = Map::new();
        let mut knobs = *self;
        for knob in &TABLE {
            insert(&mut tree, knob.name, knob.access.read(&mut knobs));
        }
        Value::Object(tree)
    }

    fn turn(&mut self, name: &str, value: &Value) -> Result<(), Problem> {
        if name == QUOTAS {
            return self.turn_quotas(value);
        }
        let knob = TABLE.iter().find(|knob| knob.name == name);
        let Some(Knob { access, .. }) = knob else {
            let name = beginning(name);
            return Err(Problem::Unknown { name });
        };
        let illegal = || Problem::Illegal {
            name: name.to_owned(),
            value: beginning(&value.to_string()),
            expected: access.expects(),
        };
        access.write(self, value).ok_or_else(illegal)
    }

    fn turn_on_outside_broker(&mut self, name: &str, value: &Value) -> Result<(), Problem> {
        let mqtt = self.mqtt;
        self.turn(name, value)?;
        let is_changed = self.mqtt != mqtt;
        self.mqtt = mqtt;
        if is_changed && name != QUOTAS {
            let name = name.to_owned();
            return Err(Problem::ForeignBroker { name });
        }
        Ok(())
    }

    /// Sets every quota to AWS's; `local` leaves out those that count by the second, as is the default.
    fn turn_quotas(&mut self, value: &Value) -> Result<(), Problem> {
        let (rates, connects, publishes) = match value.as_str() {
            Some("aws") => (
                Rates::AWS,
                Some(MqttQuotas::AWS_CONNECTS_PER_SECOND),
                Some(MqttQuotas::AWS_PUBLISHES_PER_SECOND),
            ),
            Some("local") => (Rates::default(), None, None),
            Some(_) | None => {
                return Err(Problem::Illegal {
                    name: QUOTAS.to_owned(),
                    value: beginning(&value.to_string()),
                    expected: "aws, local or an object".to_owned(),
                });
            }
        };
        self.jobs.quotas = model::Quotas::default();
        self.mqtt = MqttQuotas {
            connects_per_second: connects,
            publishes_per_second: publishes,
            denied_filter_fails_alone: self.mqtt.denied_filter_fails_alone,
            ..MqttQuotas::default()
        };
        self.rates = rates;
        Ok(())
    }
}

/// The names of all knobs.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|knob| knob.name)
}

/// What an object of JSON asks for.
pub fn settings(object: Map<String, Value>) -> Vec<Setting> {
    let mut settings = Vec::new();
    for (name, value) in object {
        flatten(name, value, &mut settings);
    }
    settings
}

/// What `NAME=VALUE` asks for; without an equals sign, nothing.
#[must_use]
pub fn setting(text: &str) -> Option<Setting> {
    let (name, value) = text.split_once('=')?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Some((name.to_owned(), value))
}

impl Access {
    /// The knob's value. Nothing is changed.
    fn read(&self, knobs: &mut Knobs) -> Value {
        match self {
            Self::Count { at, .. } => (*at(knobs)).into(),
            Self::Flag(at) => (*at(knobs)).into(),
            Self::Limit(at) => at(knobs).as_str().into(),
            Self::Rate { at, .. } => (*at(knobs)).into(),
        }
    }

    /// Sets the knob, if `value` is legal.
    fn write(&self, knobs: &mut Knobs, value: &Value) -> Option<()> {
        match self {
            Self::Count { at, min, max } => {
                let count = value.as_u64().and_then(|count| u32::try_from(count).ok());
                *at(knobs) = count.filter(|count| (*min..=*max).contains(count))?;
            }
            Self::Flag(at) => *at(knobs) = value.as_bool()?,
            Self::Limit(at) => *at(knobs) = model::AtConcurrencyLimit::parse(value.as_str()?)?,
            Self::Rate { at, .. } if value.is_null() || value == OFF => *at(knobs) = None,
            Self::Rate { at, .. } => {
                let rate = value.as_u64().and_then(|rate| u32::try_from(rate).ok());
                *at(knobs) = Some(rate.filter(|rate| (1..=MAX_RATE).contains(rate))?);
            }
        }
        Some(())
    }

    fn expects(&self) -> String {
        match self {
            Self::Count { min, max, .. } => format!("a number from {min} to {max}"),
            Self::Flag(_) => "true or false".to_owned(),
            Self::Limit(_) => model::AtConcurrencyLimit::NAMES.join(" or "),
            Self::Rate { aws, .. } => {
                format!("{OFF} or a number from 1 to {MAX_RATE}, on AWS {aws},")
            }
        }
    }
}

impl fmt::Display for KnobsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "; and {more} more problems"),
        }
    }
}

impl core::error::Error for KnobsError {}

fn flatten(name: String, value: Value, settings: &mut Vec<Setting>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                flatten(format!("{name}.{member}"), value, settings);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            settings.push((name, value));
        }
    }
}

fn insert(tree: &mut Map<String, Value>, name: &str, value: Value) {
    let Some((first, rest)) = name.split_once('.') else {
        tree.insert(name.to_owned(), value);
        return;
    };
    let branch = tree.entry(first).or_insert_with(|| Map::new().into());
    if let Value::Object(branch) = branch {
        insert(branch, rest, value);
    }
}

fn beginning(text: &str) -> String {
    match text.char_indices().nth(MAX_ECHO) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(knobs: &mut Knobs, asked: Value) -> Result<(), String> {
        let Value::Object(asked) = asked else {
            panic!("{asked} is no object");
        };
        knobs
            .set(settings(asked))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_read_can_be_set() {
        let mut knobs = Knobs::default();
        set(&mut knobs, Knobs::default().to_json()).unwrap();
        assert_eq!(knobs, Knobs::default());
    }

    #[test]
    fn what_is_not_named_stays() {
        let mut knobs = Knobs::default();
        set(&mut knobs, json!({"quotas": {"concurrentJobs": 2}})).unwrap();
        set(&mut knobs, json!({"events": true})).unwrap();
        assert_eq!(knobs.jobs.quotas.concurrent_jobs, 2);
        assert!(knobs.jobs.events);
    }

    #[test]
    fn every_problem_is_told_and_then_nothing_is_set() {
        let mut knobs = Knobs::default();
        let asked = json!({
            "events": true,
            "strictStatusDetails": 1,
            "quotas": {"concurrentJobs": 0, "requestsPerSecond": {"controlPlane": -1, "x": 1}},
            "atConcurrencyLimit": "wait",
        });
        assert_eq!(
            set(&mut knobs, asked),
            Err(
                "atConcurrencyLimit cannot be \"wait\": hold or refuse is expected; \
                 quotas.concurrentJobs cannot be 0: a number from 1 to 100000 is expected; \
                 quotas.requestsPerSecond.controlPlane cannot be -1: off or a number from 1 to \
                 1000000, on AWS 10, is expected; \
                 there is no knob quotas.requestsPerSecond.x; \
                 strictStatusDetails cannot be 1: true or false is expected"
                    .to_owned()
            )
        );
        assert_eq!(knobs, Knobs::default());
    }

    #[test]
    fn more_problems_than_a_person_reads_are_counted() {
        let asked: Map<_, _> = (0..1000).map(|n| (format!("k{n}"), json!(n))).collect();
        let told = set(&mut Knobs::default(), asked.into()).unwrap_err();
        assert!(told.ends_with("; and 936 more problems"), "{told}");
        let long = set(&mut Knobs::default(), json!({"é".repeat(1000): 1})).unwrap_err();
        assert!(long.len() < 200, "{long}");
    }

    #[test]
    fn all_quotas_are_set_to_those_of_aws_and_back() {
        let mut knobs = Knobs::default();
        let asked = json!({"quotas": {"deletingJobs": 1}, "deniedFilterFailsAlone": true});
        set(&mut knobs, asked).unwrap();
        set(&mut knobs, json!({"quotas": "aws"})).unwrap();
        let quotas = &knobs.to_json()["quotas"];
        assert_eq!(
            (&quotas["deletingJobs"], &quotas["requestsPerSecond"]),
            (
                &json!(10),
                &json!({"controlPlane": 10, "dataPlaneReads": 200, "dataPlaneWrites": 200})
            )
        );
        assert_eq!(
            (&quotas["connectsPerSecond"], &quotas["publishesPerSecond"]),
            (&json!(1), &json!(100))
        );
        assert!(knobs.mqtt.denied_filter_fails_alone, "that is no quota");
        let asked = json!({"quotas": "local", "deniedFilterFailsAlone": false});
        set(&mut knobs, asked).unwrap();
        assert_eq!(knobs, Knobs::default());
        assert!(set(&mut knobs, json!({"quotas": "mine"})).is_err());
    }

    #[test]
    fn a_rate_is_switched_off_by_name_or_by_null() {
        for off in [json!("off"), json!(null)] {
            let mut knobs = Knobs::default();
            set(&mut knobs, json!({"quotas": {"connectsPerSecond": 3}})).unwrap();
            assert_eq!(knobs.mqtt.connects_per_second, Some(3));
            set(&mut knobs, json!({"quotas": {"connectsPerSecond": off}})).unwrap();
            assert_eq!(knobs.mqtt.connects_per_second, None);
        }
    }

    #[test]
    fn a_setting_is_a_name_and_a_value() {
        for (text, expected) in [
            ("a.b=2", Some(("a.b", json!(2)))),
            ("a=true", Some(("a", json!(true)))),
            ("a=hold", Some(("a", json!("hold")))),
            ("a=b=c", Some(("a", json!("b=c")))),
            ("a=", Some(("a", json!("")))),
            ("a", None),
        ] {
            let expected = expected.map(|(name, value)| (name.to_owned(), value));
            assert_eq!(setting(text), expected, "{text}");
        }
    }
}
