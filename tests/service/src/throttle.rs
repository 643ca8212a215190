//! How many requests a second the service takes from all callers together.
//!
//! [`Throttle`] is pure: it is told the service's time, which a test may stop. Each quota is a token bucket that
//! holds as many tokens as it gets in a second, so after a second of silence as many requests are taken
//! at once, and with a clock that stands the next one is refused, every time. A refused request
//! takes no token.
//!
//! The numbers are AWS's (AWS general reference, [AWS IoT Device Management endpoints and quotas]). They are off
//! unless asked for: AWS counts the requests of an account, and a test that makes a thousand things in
//! a second has no account.
//!
//! [AWS IoT Device Management endpoints and quotas]: https://docs.aws.amazon.com/general/latest/gr/iot_device_management.html

use std::collections::BTreeMap;

use crate::model::time::Timestamp;

/// What a token is made of: as many parts as there are milliseconds in a second, so that each millisecond
/// adds a whole number of them.
const PARTS: u64 = 1000;

/// How many requests a second are taken; `None` is any number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Of each operation on jobs and templates of the control plane (general reference, Jobs quotas:
    /// throttle limits of the APIs).
    pub control_plane: Option<u32>,
    /// DescribeJobExecution and GetPendingJobExecutions of devices together, over MQTT and HTTP (general
    /// reference, Jobs quotas: data plane read).
    pub data_plane_reads: Option<u32>,
    /// StartNextPendingJobExecution and UpdateJobExecution of devices together, over MQTT and HTTP
    /// (general reference, Jobs quotas: data plane write).
    pub data_plane_writes: Option<u32>,
}

impl Rates {
    /// [`Rates::control_plane`] of AWS.
    pub const AWS_CONTROL_PLANE: u32 = 10;
    /// [`Rates::data_plane_reads`] of AWS.
    pub const AWS_DATA_PLANE_READS: u32 = 200;
    /// [`Rates::data_plane_writes`] of AWS.
    pub const AWS_DATA_PLANE_WRITES: u32 = 200;
    /// AWS's, for an account and region.
    pub const AWS: Self = Self {
        control_plane: Some(Self::AWS_CONTROL_PLANE),
        data_plane_reads: Some(Self::AWS_DATA_PLANE_READS),
        data_plane_writes: Some(Self::AWS_DATA_PLANE_WRITES),
    };
}

/// What a request counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// An operation of the control plane; each has its own count.
    Control(&'a str),
    /// A device reads.
    Read,
    /// A device writes.
    Write,
}

/// Counts requests against [`Rates`].
#[derive(Debug, Default)]
pub struct Throttle {
    rates: Rates,
    /// By operation, of which there are as many as there are routes.
    control: BTreeMap<String, Bucket>,
    reads: Bucket,
    writes: Bucket,
}

impl Throttle {
    /// The rates in force.
    pub fn rates(&self) -> Rates {
        self.rates
    }

    /// Puts other rates in force. What was taken before counts.
    pub fn set_rates(&mut self, rates: Rates) {
        self.rates = rates;
    }

    /// Whether a request that arrives at `now` is taken.
    pub fn takes(&mut self, kind: Kind<'_>, now: Timestamp) -> bool {
        let (rate, bucket) = match kind {
            Kind::Control(operation) => {
                if !self.control.contains_key(operation) {
                    self.control.insert(operation.to_owned(), Bucket::default());
                }
                (self.rates.control_plane, self.control.get_mut(operation))
            }
            Kind::Read => (self.rates.data_plane_reads, Some(&mut self.reads)),
            Kind::Write => (self.rates.data_plane_writes, Some(&mut self.writes)),
        };
        match (rate, bucket) {
            (Some(rate), Some(bucket)) => bucket.take(rate, now.as_millis()),
            (None, _) | (_, None) => true,
        }
    }
}

/// A token bucket. The default one is full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// The parts that lack.
    lacks: u64,
    /// When that was so, in milliseconds since any fixed point.
    at: u64,
}

impl Bucket {
    /// Takes a token, if there is one, from a bucket that gets `rate` of them in a second.
    pub(crate) fn take(&mut self, rate: u32, now: u64) -> bool {
        let lacks = self.lacks(rate, now);
        let is_taken = lacks + PARTS <= u64::from(rate) * PARTS;
        *self = Self {
            lacks: if is_taken { lacks + PARTS } else { lacks },
            at: now,
        };
        is_taken
    }

    /// Whether the bucket is as good as a new one.
    pub(crate) fn is_full(&self, rate: u32, now: u64) -> bool {
        self.lacks(rate, now) == 0
    }

    fn lacks(&self, rate: u32, now: u64) -> u64 {
        let filled = now.saturating_sub(self.at).saturating_mul(rate.into());
        // A bucket that was larger under another rate lacks no more than it holds under this one.
        let lacks = self.lacks.min(u64::from(rate) * PARTS);
        lacks.saturating_sub(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `requests` at one moment are taken.
    fn taken(bucket: &mut Bucket, rate: u32, now: u64, requests: usize) -> usize {
        (0..requests).filter(|_| bucket.take(rate, now)).count()
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + millis)
    }

    #[test]
    fn as_many_requests_as_the_rate_are_taken_in_one_moment_and_no_more() {
        for rate in [1, 2, 10, 200, 1_000_000] {
            let mut bucket = Bucket::default();
            let requests = rate as usize + 5;
            assert_eq!(taken(&mut bucket, rate, 7, requests), rate as usize);
        }
    }

    #[test]
    fn tokens_come_back_evenly_over_the_second() {
        for (rate, wait, expected) in [
            (1, 999, 0),
            (1, 1000, 1),
            (10, 99, 0),
            (10, 100, 1),
            (10, 250, 2),
            (10, 1000, 10),
            (10, 60_000, 10),
            (3, 333, 0),
            (3, 334, 1),
            (200, 5, 1),
        ] {
            let mut bucket = Bucket::default();
            taken(&mut bucket, rate, 0, rate as usize);
            let more = taken(&mut bucket, rate, wait, 1000);
            assert_eq!(more, expected, "{rate} a second, {wait} ms");
        }
    }

    #[test]
    fn asking_often_does_not_slow_the_refill() {
        let mut bucket = Bucket::default();
        taken(&mut bucket, 3, 0, 3);
        let taken = (1..=1000).filter(|now| bucket.take(3, *now)).count();
        assert_eq!(taken, 3);
    }

    #[test]
    fn a_lower_rate_holds_at_once_and_is_recovered_from_in_a_second() {
        let mut bucket = Bucket::default();
        taken(&mut bucket, 200, 0, 200);
        assert!(!bucket.take(2, 0));
        assert_eq!(taken(&mut bucket, 2, 1000, 5), 2);
    }

    #[test]
    fn time_that_goes_back_or_far_ahead_breaks_nothing() {
        let mut bucket = Bucket::default();
        assert!(bucket.take(1, u64::MAX));
        assert!(!bucket.take(1, 0));
        assert!(bucket.take(u32::MAX, u64::MAX));
        assert!(bucket.is_full(1, u64::MAX - 1) || !bucket.is_full(1, 0));
    }

    #[test]
    fn each_operation_of_the_control_plane_has_its_own_count() {
        let mut throttle = Throttle::default();
        throttle.set_rates(Rates::AWS);
        for _ in 0..10 {
            assert!(throttle.takes(Kind::Control("GET /jobs"), at(0)));
        }
        assert!(!throttle.takes(Kind::Control("GET /jobs"), at(0)));
        assert!(throttle.takes(Kind::Control("PUT /jobs/{job}"), at(0)));
    }

    #[test]
    fn reads_and_writes_of_devices_are_counted_apart() {
        let mut throttle = Throttle::default();
        throttle.set_rates(Rates::AWS);
        for _ in 0..200 {
            assert!(throttle.takes(Kind::Read, at(0)));
        }
        assert!(!throttle.takes(Kind::Read, at(4)));
        assert!(throttle.takes(Kind::Read, at(5)));
        assert!(throttle.takes(Kind::Write, at(0)));
    }

    #[test]
    fn without_rates_everything_is_taken() {
        let mut throttle = Throttle::default();
        for kind in [Kind::Control("GET /jobs"), Kind::Read, Kind::Write] {
            assert!((0..1000).all(|_| throttle.takes(kind, at(0))));
        }
    }
}
