//! Plans, driven with faults of their own.

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

/// A fault that does one of ten things to subjects.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
struct Harm {
    what: u8,
    only: Option<String>,
    chance: Option<Chance>,
}

impl Fault for Harm {
    const PLANE: &'static str = "Harms";

    fn is_for(&self, occasion: &Occasion<'_>) -> bool {
        is_of(self.only.as_ref(), occasion)
    }

    fn chance(&self) -> Option<Chance> {
        self.chance
    }

    fn check(&self) -> Result<(), FaultError> {
        check_thing(self.only.as_ref())
    }
}

fn certain(what: u8) -> Harm {
    Harm {
        what,
        ..Harm::default()
    }
}

fn likely(what: u8, chance: f64) -> Harm {
    Harm {
        chance: Some(Chance::try_from(chance).unwrap()),
        ..certain(what)
    }
}

fn plan(next: &[Harm], all: &[Harm], seed: u64) -> Plan<Harm> {
    Plan::new(next.iter().cloned().collect(), all.to_vec(), seed).unwrap()
}

fn take(plan: &mut Plan<Harm>, subject: &str, kind: &'static str) -> u8 {
    let namespace = None;
    let occasion = Occasion {
        subject,
        kind,
        namespace,
    };
    plan.take(&occasion, NOW).what
}

fn series(plan: &mut Plan<Harm>, subject: &str, len: usize) -> Vec<u8> {
    (0..len).map(|_| take(plan, subject, "get")).collect()
}

#[test]
fn planned_faults_come_first_and_standing_ones_stay() {
    let mut plan = plan(&[certain(1), certain(0), certain(2)], &[certain(9)], 0);
    assert_eq!(series(&mut plan, "gw-1", 5), [1, 0, 2, 9, 9]);
    assert_eq!(plan.draws(), 0);
}

#[test]
fn a_fault_of_one_subject_waits_for_it() {
    let only = Harm {
        only: Some("gw-2".to_owned()),
        ..certain(5)
    };
    let mut plan = plan(&[only], &[certain(9)], 0);
    assert_eq!(take(&mut plan, "gw-1", "get"), 9);
    assert_eq!(take(&mut plan, "gw-2", "get"), 5);
    assert_eq!(take(&mut plan, "gw-2", "get"), 9);
}

#[test]
fn the_same_seed_and_the_same_occasions_meet_the_same_faults() {
    let all = [likely(1, 0.3), likely(2, 0.3)];
    let mut first = plan(&[], &all, 42);
    let mut second = plan(&[], &all, 42);
    let mut other = plan(&[], &all, 43);
    let met = series(&mut first, "gw-1", 64);
    assert_eq!(met, series(&mut second, "gw-1", 64));
    assert_eq!(first.log(), second.log());
    assert_ne!(met, series(&mut other, "gw-1", 64));
    assert!([0, 1, 2].iter().all(|what| met.contains(what)), "{met:?}");
}

#[test]
fn what_one_device_meets_does_not_depend_on_the_others() {
    let all = [likely(1, 0.5)];
    let alone = series(&mut plan(&[], &all, 7), "gw-1", 64);
    let mut crowd = plan(&[], &all, 7);
    let mut met = Vec::new();
    for round in 0..64 {
        for other in 0..round % 5 {
            take(&mut crowd, &format!("gw-{}", other + 2), "get");
            take(&mut crowd, "gw-1", "update");
        }
        met.push(take(&mut crowd, "gw-1", "get"));
    }
    assert_eq!(met, alone);
}

#[test]
fn every_draw_is_counted_and_every_fault_that_befell_is_told() {
    let mut plan = plan(&[certain(3)], &[likely(1, 0.0), likely(2, 1.0)], 0);
    assert_eq!(series(&mut plan, "gw-1", 2), [3, 2]);
    assert_eq!(plan.draws(), 2);
    let (log, forgotten) = plan.log();
    let told: Vec<_> = log
        .iter()
        .map(|befallen| (befallen.number, befallen.fault["what"].as_u64()))
        .collect();
    assert_eq!(told, [(1, Some(3)), (2, Some(2))]);
    assert_eq!(
        (log[0].at, log[0].subject.as_str(), log[0].kind),
        (NOW, "gw-1", "get")
    );
    assert_eq!(forgotten, 0);
}

#[test]
fn the_oldest_faults_are_forgotten_and_counted() {
    let mut plan = plan(&[], &[certain(1)], 0);
    series(&mut plan, "gw-1", MAX_LOG + 3);
    let (log, forgotten) = plan.log();
    assert_eq!((log.len(), log[0].number, forgotten), (MAX_LOG, 4, 3));
}

#[test]
fn subjects_beyond_the_limit_share_a_count() {
    let mut plan = plan(&[], &[certain(1)], 0);
    for number in 0..=MAX_COUNTS {
        take(&mut plan, &number.to_string(), "get");
    }
    for _ in 0..2 {
        take(&mut plan, "one more", "get");
        take(&mut plan, "0", "get");
    }
    let numbers: Vec<_> = plan
        .log()
        .0
        .iter()
        .rev()
        .take(4)
        .map(|befallen| befallen.number)
        .collect();
    assert_eq!(numbers, [3, 3, 2, 2]);
}

#[test]
fn a_plan_without_faults_counts_nothing() {
    let mut plan = plan(&[], &[Harm::default()], 0);
    assert_eq!(series(&mut plan, "gw-1", 3), [0, 0, 0]);
    assert!(plan.counts.is_empty());
}

#[test]
fn plans_without_meaning_are_refused() {
    let refused = |next: Vec<Harm>, all| Plan::new(next.into(), all, 0).unwrap_err();
    let (list, plane) = ("all", "Harms");
    assert_eq!(
        refused(vec![], vec![certain(1); MAX_FAULTS + 1]),
        FaultError::TooMany { list, plane }
    );
    assert_eq!(
        refused(vec![likely(1, 0.5)], vec![]),
        FaultError::ChanceOfPlanned("Harms")
    );
    let name = "gw 1".to_owned();
    let nobody = Harm {
        only: Some(name.clone()),
        ..certain(1)
    };
    assert_eq!(
        refused(vec![], vec![nobody]),
        FaultError::NotAThing { name }
    );
}
