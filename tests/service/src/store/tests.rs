//! What a disk may do, and what a store holds afterwards.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use redb::backends::InMemoryBackend;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::clock::Clock;
use crate::model::names::{Scope, ThingName};
use crate::model::operation::StartNext;
use crate::model::request::{CreateJob, CreateThing, CreateThingGroup, DeleteJob, GroupMembership};
use crate::model::time::Timestamp;

const NOON: Timestamp = Timestamp::from_secs(1_700_049_600);
/// How many ways a power cut goes at each moment.
const CUTS: u64 = 3;
const SECTOR: usize = 512;

/// What came down to a disk since it was last made to keep it.
#[derive(Debug, Clone)]
enum Write {
    Bytes { offset: usize, data: Vec<u8> },
    Len(usize),
}

#[derive(Debug)]
struct Platter {
    /// What stays when the power goes.
    kept: Vec<u8>,
    /// What is read before that.
    seen: Vec<u8>,
    unsynced: Vec<Write>,
    /// How many writes and syncs are left until the power goes.
    left: Option<u64>,
    /// How many there were.
    calls: u64,
}

/// A disk that loses its power after so many writes and syncs, with whatever it had not synced: in part,
/// in any order, and torn anywhere.
#[derive(Debug, Clone)]
struct Disk(Arc<Mutex<Platter>>);

impl Disk {
    fn new(kept: Vec<u8>, left: Option<u64>) -> Self {
        Self(Arc::new(Mutex::new(Platter {
            seen: kept.clone(),
            kept,
            unsynced: Vec::new(),
            left,
            calls: 0,
        })))
    }

    fn calls(&self) -> u64 {
        self.platter().calls
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap()
    }

    /// The disk when the power is back.
    fn restarted(&self, seed: u64) -> Self {
        let platter = self.platter();
        let mut dice = Dice(seed);
        let mut kept = platter.kept.clone();
        let mut unsynced = platter.unsynced.clone();
        while !unsynced.is_empty() {
            let next = dice.below(unsynced.len());
            match unsynced.swap_remove(next) {
                Write::Len(len) if dice.below(2) == 0 => kept.resize(len, 0),
                Write::Len(_) => {}
                Write::Bytes { offset, data } => tear(&mut kept, offset, &data, &mut dice),
            }
        }
        Self::new(kept, None)
    }
}

/// Writes nothing, all, a beginning, or any of the sectors.
fn tear(kept: &mut Vec<u8>, offset: usize, data: &[u8], dice: &mut Dice) {
    let mut put = |from: usize, bytes: &[u8]| {
        let end = offset + from + bytes.len();
        if kept.len() < end {
            kept.resize(end, 0);
        }
        kept[offset + from..end].copy_from_slice(bytes);
    };
    match dice.below(4) {
        0 => {}
        1 => put(0, data),
        2 => put(0, &data[..dice.below(data.len() + 1)]),
        _ => {
            for (index, sector) in data.chunks(SECTOR).enumerate() {
                if dice.below(2) == 0 {
                    put(index * SECTOR, sector);
                }
            }
        }
    }
}

/// Xorshift: the same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

impl Platter {
    /// Counts a call; the one at which the power goes is not done, and none after it.
    fn call(&mut self) -> io::Result<()> {
        self.calls += 1;
        match &mut self.left {
            Some(0) => Err(io::Error::other("no power")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.platter().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.platter();
        let offset = offset as usize;
        let found = platter.seen.get(offset..offset + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut platter = self.platter();
        // The call at which the power goes may still have reached the disk.
        platter.unsynced.push(Write::Len(len as usize));
        platter.call()?;
        platter.seen.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.platter();
        platter.call()?;
        platter.kept = platter.seen.clone();
        platter.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.platter();
        let offset = offset as usize;
        let data = data.to_vec();
        platter.unsynced.push(Write::Bytes {
            offset,
            data: data.clone(),
        });
        platter.call()?;
        let end = offset + data.len();
        if platter.seen.len() < end {
            platter.seen.resize(end, 0);
        }
        platter.seen[offset..end].copy_from_slice(&data);
        Ok(())
    }
}

type Dump = BTreeMap<(Kind, String), Vec<u8>>;

impl Store {
    fn dump(&self) -> Dump {
        let mut dump = Dump::new();
        for kind in Kind::ALL {
            let take = |key: &str, row: &[u8]| {
                dump.insert((kind, key.to_owned()), row.to_vec());
                Ok(())
            };
            self.each(definition(kind), take).unwrap();
        }
        dump
    }
}

fn scope() -> Scope {
    Scope {
        region: "eu-west-1".to_owned(),
        account: "123456789012".to_owned(),
    }
}

fn parsed<T: DeserializeOwned>(body: Value) -> T {
    serde_json::from_value(body).unwrap()
}

fn create_thing(model: &mut Model, name: &str) {
    let request = CreateThing {
        thing_name: name.to_owned(),
        ..CreateThing::default()
    };
    model.create_thing(&scope(), request, NOON).unwrap();
}

fn create_job(model: &mut Model, id: &str, target: &str) {
    let mut request: CreateJob = parsed(json!({
        "targets": [format!("arn:aws:iot:eu-west-1:123456789012:{target}")],
        "document": format!("\"{}\"", "x".repeat(20_000)),
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 4},
        "timeoutConfig": {"inProgressTimeoutInMinutes": 5},
    }));
    request.job_id = id.to_owned();
    model.create_job(&scope(), request, NOON).unwrap();
}

/// What a life of a service commits: jobs roll out, time out, are deleted, and all is reset once.
fn script() -> Vec<Vec<Change>> {
    let mut model = Model::new(Knobs::default());
    model.record();
    let mut commits = Vec::new();
    let later = |secs| Timestamp::from_secs(NOON.as_secs() + secs);
    let mut commit = |model: &mut Model| commits.push(model.take_changes().unwrap());
    (0..12).for_each(|number| create_thing(&mut model, &format!("gw-{number}")));
    commit(&mut model);
    let group = CreateThingGroup {
        thing_group_name: "site".to_owned(),
        ..CreateThingGroup::default()
    };
    model.create_thing_group(&scope(), group, NOON).unwrap();
    for number in 0..12 {
        let member: GroupMembership =
            parsed(json!({"thingGroupName": "site", "thingName": format!("gw-{number}")}));
        model
            .add_thing_to_thing_group(&scope(), &member, NOON)
            .unwrap();
    }
    commit(&mut model);
    create_job(&mut model, "J", "thinggroup/site");
    commit(&mut model);
    let thing = ThingName::parse("gw-0").unwrap();
    let start = StartNext::default();
    model.start_next(&thing, None, &start, later(1)).unwrap();
    commit(&mut model);
    for minute in [1, 2, 9] {
        model.advance(later(minute * 60));
        commit(&mut model);
    }
    create_job(&mut model, "K", "thing/gw-3");
    commit(&mut model);
    let delete = DeleteJob {
        job_id: "J".to_owned(),
        force: true,
        namespace_id: None,
    };
    model.delete_job(&delete, later(600)).unwrap();
    commit(&mut model);
    model.reset();
    create_thing(&mut model, "gw-0");
    commit(&mut model);
    create_job(&mut model, "J", "thing/gw-0");
    commit(&mut model);
    commits
}

/// Commits all of `script`; returns how many commits were acknowledged.
fn run(disk: Disk, script: &[Vec<Change>]) -> usize {
    let Ok(store) = Store::on(disk) else { return 0 };
    let clock = Clock::frozen(NOON).stamp();
    let acknowledged = script
        .iter()
        .map_while(|changes| store.commit(changes, clock).ok());
    acknowledged.count()
}

#[test]
fn a_power_cut_at_any_write_loses_nothing_acknowledged_and_leaves_no_half() {
    let script = script();
    let store = Store::on(InMemoryBackend::new()).unwrap();
    let mut states = vec![store.dump()];
    for changes in &script {
        store.commit(changes, Clock::frozen(NOON).stamp()).unwrap();
        states.push(store.dump());
    }
    assert!(states.windows(2).all(|pair| pair[0] != pair[1]));

    // A new file gets its name once it is whole.
    let new = Disk::new(Vec::new(), None);
    Store::on(new.clone()).unwrap();
    let new = new.platter().kept.clone();

    let unhurt = Disk::new(new.clone(), None);
    assert_eq!(run(unhurt.clone(), &script), script.len());
    let calls = unhurt.calls();
    assert!(calls > 3 * script.len() as u64, "{calls}");
    for left in 0..calls {
        let disk = Disk::new(new.clone(), Some(left));
        let acknowledged = run(disk.clone(), &script);
        for cut in 1..=CUTS {
            let store = Store::on(disk.restarted(left * CUTS + cut));
            let store = store.unwrap_or_else(|error| panic!("{left}/{calls}, cut {cut}: {error}"));
            let found = store.dump();
            let under_way = states.get(acknowledged + 1);
            assert!(
                found == states[acknowledged] || Some(&found) == under_way,
                "{left}/{calls}, cut {cut}: not the state after {acknowledged} commits"
            );
            store.load(Knobs::default()).unwrap();
        }
    }
}

#[test]
fn what_was_committed_is_loaded_with_the_clock() {
    let store = Store::on(InMemoryBackend::new()).unwrap();
    let clock = Clock::frozen(NOON);
    assert_eq!(store.load(Knobs::default()).unwrap().1, None);
    let mut model = store.load(Knobs::default()).unwrap().0;
    create_thing(&mut model, "gw-1");
    let stamp = clock.stamp();
    store.commit(&model.take_changes().unwrap(), stamp).unwrap();
    let (model, kept) = store.load(Knobs::default()).unwrap();
    assert_eq!((model.thing_count(), kept), (1, Some(stamp)));
}

#[test]
fn a_file_is_open_once_and_its_newer_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = path(directory.path());
    let first = Store::open(&path).unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::InUse)));

    let database = first.database().take().unwrap();
    let transaction = database.begin_write().unwrap();
    let mut meta = transaction.open_table(META).unwrap();
    meta.insert(FORMAT_KEY, FORMAT + 1).unwrap();
    drop(meta);
    transaction.commit().unwrap();
    drop(database);
    let refused = Store::open(&path).unwrap_err();
    assert!(matches!(refused, StoreError::Newer { found } if found == FORMAT + 1));
}

#[test]
fn a_file_that_was_only_half_made_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = path(directory.path());
    fs::write(path.with_extension("new"), "half").unwrap();
    Store::open(&path).unwrap();
    assert!(!path.with_extension("new").exists());
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, OWNER_ONLY);
}

#[test]
fn a_store_that_was_closed_can_be_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = path(directory.path());
    let first = Store::open(&path).unwrap();
    first.close();
    let late = first.commit(&[], Clock::frozen(NOON).stamp());
    assert!(matches!(late, Err(StoreError::Closed)));
    Store::open(&path).unwrap();
}

#[test]
fn a_file_that_is_no_store_is_refused_and_stays_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let path = path(directory.path());
    let text = "not a store\n".repeat(1000);
    fs::write(&path, &text).unwrap();
    let refused = Store::open(&path).unwrap_err();
    assert!(matches!(refused, StoreError::Storage(_)), "{refused}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_row_that_cannot_be_read_is_named() {
    let store = Store::on(InMemoryBackend::new()).unwrap();
    let change = Change::Put {
        kind: Kind::Thing,
        key: "gw-1".to_owned(),
        row: b"{".to_vec(),
    };
    store
        .commit(&[change], Clock::frozen(NOON).stamp())
        .unwrap();
    let refused = store.load(Knobs::default()).unwrap_err().to_string();
    assert!(refused.starts_with("row \"gw-1\" of things: "), "{refused}");
}
