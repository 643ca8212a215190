//! Whatever happens to a device, and in whatever order: each job ends as it would have without.
//!
//! A round makes a few firmware and file jobs in two namespaces and lets random things happen at random moments: kill -9, power
//! cuts, cut and silent links, cut downloads, expired URLs, SIGTERM, cancels. Then all is calm, and every job must end by itself.
//!
//! A seed decides what happens, not when the agent gets there: a failure names its seed, and may need a few tries to come again.
//! `IOT_JOBS_STORM_ROUNDS` sets how many rounds are run, `IOT_JOBS_STORM_SEED` the seed of the first,
//! `IOT_JOBS_TEST_PROFILE=release` the build.

use core::fmt;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use iot_jobs_e2e::{Scene, THING, boots};
use iot_jobs_kit::aws::Execution;
use iot_jobs_kit::image::{Image, digest};
use iot_jobs_kit::process::Verdict;
use iot_jobs_kit::wait::Stopwatch;
use iot_jobs_kit::{KitError, Proxy, wait_for};
use serde_json::{Value, json};

/// Rounds unless told otherwise.
const ROUNDS: u64 = 3;
/// Most things that happen in a round.
const BLOWS_MAX: u64 = 10;
/// Most times that a round takes the agent down: an agent that goes down each time a job runs gives the job up.
const DEATHS_MAX: u32 = 6;
/// How long jobs may take once all is calm: the longest pause of a link that was down for long, and their work.
const CALM_WITHIN: Duration = Duration::from_secs(90);
/// How long the agent may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// How long a line of the log is waited for.
const LINE_WITHIN: Duration = Duration::from_secs(2);
/// The moments of a job that are too short to be met by chance.
const TIGHT: [&str; 7] = [
    "claimed job",
    "phase=\"verifying\"",
    "phase=\"rebooting\"",
    "job waits for a reboot",
    "run=AfterReboot",
    "phase=\"confirming\"",
    "ended job",
];
/// Longer than presigned URLs live, shorter than half of a job's timer.
const EXPIRY_SECONDS: u64 = 301;

#[test]
#[expect(clippy::print_stdout, reason = "a long run says how far it is")]
fn every_job_ends_as_if_nothing_had_happened() {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().expect("a number"))
    };
    let first = number("IOT_JOBS_STORM_SEED").unwrap_or(1);
    for seed in first..first + number("IOT_JOBS_STORM_ROUNDS").unwrap_or(ROUNDS) {
        let mut storm = Storm::new(seed).unwrap();
        let watch = Stopwatch::start();
        if let Err(problem) = storm.rage() {
            let log = storm.scene.device.log().unwrap_or_default();
            panic!(
                "seed {seed}: {problem}\n{:#?}\n{log}\nseed {seed}: {problem}",
                storm.history
            );
        }
        println!(
            "seed {seed}: {:?} in {:?}, {:?} of them calm",
            storm.history,
            watch.elapsed(),
            storm.calm
        );
    }
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Cancel,
    CutDownloads,
    CutLink,
    ExpireUrls,
    Kill,
    LinkDown,
    LinkUp,
    PullPower,
    Silence,
    Terminate,
}

/// When it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// After so many milliseconds.
    After(u64),
    /// With the next line of the agent's log that says this.
    At(&'static str),
    /// With so many more lines in the agent's log.
    Lines(u64),
}

/// A job, and how the device looks when it has succeeded.
#[derive(Debug)]
struct Job {
    id: String,
    sha256: String,
    /// Where its file goes; none for firmware.
    file: Option<String>,
    cancelled: bool,
    end: Option<String>,
}

/// What the agent's log lets happen.
#[derive(Debug, Default)]
struct Fuse {
    lines: u64,
    text: &'static str,
    blow: Option<Blow>,
    fired: bool,
}

struct Storm {
    scene: Scene,
    random: Random,
    jobs: Vec<Job>,
    fuse: Arc<Mutex<Fuse>>,
    deaths: u32,
    expired: bool,
    /// The file of the slot that runs, and its digest when it booted.
    booted: (String, String),
    /// What the bootloader's file held then.
    bootloader: Vec<u8>,
    trials: BTreeMap<String, u32>,
    /// Images whose power was pulled before they were confirmed.
    lost: BTreeSet<String>,
    history: Vec<(Moment, Blow)>,
    calm: Duration,
}

impl Storm {
    fn new(seed: u64) -> Result<Self, KitError> {
        let mut scene = Scene::new(|options| {
            options.namespaces.push("acme".into());
            options.jobs.push_str("\nconcurrent = 2");
        })?;
        let fuse = Arc::default();
        scene
            .device
            .watch(watch(Arc::clone(&fuse), scene.link.clone()));
        Ok(Self {
            booted: boots::running(&scene.device),
            scene,
            random: Random(seed),
            jobs: Vec::new(),
            fuse,
            deaths: 0,
            expired: false,
            bootloader: Vec::new(),
            trials: BTreeMap::new(),
            lost: BTreeSet::new(),
            history: Vec::new(),
            calm: Duration::ZERO,
        })
    }

    fn rage(&mut self) -> Result<(), Problem> {
        let before = self.random.below(2);
        for _ in 0..=before {
            self.make_job()?;
        }
        if self.random.below(3) > 0 {
            self.strike(Blow::CutDownloads)?;
        }
        self.scene.device.power_on()?;
        let later = self.random.below(3);
        for _ in 0..self.random.below(BLOWS_MAX) + 1 {
            if self.jobs.len() as u64 <= before + later && self.random.below(2) == 0 {
                self.make_job()?;
            }
            self.next_blow()?;
        }
        self.calm_down()?;
        let watch = Stopwatch::start();
        self.live(CALM_WITHIN, |storm| {
            storm.jobs.iter().all(|job| job.end.is_some())
        })?;
        self.calm = watch.elapsed();
        let open: Vec<_> = self.jobs.iter().filter(|job| job.end.is_none()).collect();
        if !open.is_empty() {
            return Err(format!("{open:?} did not end within {CALM_WITHIN:?}").into());
        }
        self.live(CALM_WITHIN, |storm| boots::is_settled(&storm.scene.device))?;
        if !boots::is_settled(&self.scene.device) {
            return Err(
                "an image that nobody waits for is marked, or runs unconfirmed"
                    .to_owned()
                    .into(),
            );
        }
        self.check_slots()?;
        match self.trials.iter().find(|(_, trials)| **trials > 1) {
            Some((sha256, trials)) => Err(format!("{sha256} had {trials} trials").into()),
            None => Ok(()),
        }
    }

    fn make_job(&mut self) -> Result<(), Problem> {
        let seed = self.random.next();
        let len = usize::try_from(self.random.below(1 << 21) + 4096).unwrap_or_default();
        let image = Image::new(seed, len);
        let key = format!("image-{}", image.sha256);
        let url = iot_jobs_e2e::placeholder(&key);
        let sha256 = image.sha256;
        let uploaded = self.scene.aws.upload("firmware", &key, &image.bytes);
        uploaded.map_err(|error| error.to_string())?;
        let is_file = self.random.below(3) == 0;
        let path = self
            .scene
            .device
            .path(&format!("files/{}", self.jobs.len()));
        let path = path.to_string_lossy().into_owned();
        let document = if is_file {
            json!({"operation": "file-download", "path": path, "url": url, "sha256": sha256})
        } else {
            json!({"operation": "firmware-update", "version": "2", "url": url, "size": len, "sha256": sha256})
        };
        let namespace = (self.random.below(2) == 0).then_some("acme");
        let id = self.scene.job(document, namespace)?;
        self.jobs.push(Job {
            id,
            sha256,
            file: is_file.then_some(path),
            cancelled: false,
            end: None,
        });
        Ok(())
    }

    /// Lets the device live until the next thing happens, and lets that happen.
    fn next_blow(&mut self) -> Result<(), Problem> {
        let moment = match self.random.below(3) {
            0 => Moment::After(self.random.below(1500)),
            1 => {
                let at = usize::try_from(self.random.below(TIGHT.len() as u64)).unwrap_or_default();
                Moment::At(TIGHT.get(at).copied().unwrap_or_default())
            }
            _ => Moment::Lines(self.random.below(40)),
        };
        let blow = self.choose();
        self.history.push((moment, blow));
        let (lines, text) = match moment {
            Moment::After(millis) => {
                self.live(Duration::from_millis(millis), |_| false)?;
                return self.strike(blow);
            }
            Moment::At(text) => (0, text),
            Moment::Lines(lines) => (lines, ""),
        };
        *lock(&self.fuse) = Fuse {
            lines,
            text,
            blow: Some(blow),
            fired: false,
        };
        self.live(LINE_WITHIN, |storm| lock(&storm.fuse).fired)?;
        *lock(&self.fuse) = Fuse::default();
        self.strike(blow)
    }

    fn choose(&mut self) -> Blow {
        let deadly = self.deaths < DEATHS_MAX;
        let blow = match self.random.below(14) {
            0..=2 if deadly => Blow::Kill,
            3..=4 if deadly => Blow::PullPower,
            5 => Blow::Terminate,
            6 => Blow::CutDownloads,
            7 if !self.expired => Blow::ExpireUrls,
            8 => Blow::LinkDown,
            9 => Blow::LinkUp,
            10 => Blow::Silence,
            11 => Blow::Cancel,
            _ => Blow::CutLink,
        };
        self.deaths += u32::from(matches!(blow, Blow::Kill | Blow::PullPower));
        self.expired |= blow == Blow::ExpireUrls;
        blow
    }

    fn strike(&mut self, blow: Blow) -> Result<(), Problem> {
        match blow {
            Blow::Cancel => self.cancel(),
            Blow::CutDownloads => {
                let cuts: Vec<Value> = (0..=self.random.below(3))
                    .map(|_| json!({"closeAfterBytes": self.random.below(1 << 20)}))
                    .collect();
                let speed = 1 << (18 + self.random.below(6));
                let slow = json!({"bytesPerSecond": speed});
                let faults = json!({"nextDownloads": cuts, "allDownloads": slow});
                self.scene.service.fault(&faults)?;
            }
            Blow::CutLink => self.scene.link.cut(),
            Blow::ExpireUrls => self.scene.service.advance_clock(EXPIRY_SECONDS)?,
            Blow::Kill => {
                self.scene.device.pull_power();
                self.scene.device.power_on()?;
            }
            Blow::LinkDown => self.scene.link.down(),
            Blow::LinkUp => self.scene.link.up(),
            Blow::PullPower => self.boot(true)?,
            Blow::Silence => {
                self.scene.link.hold(true);
                self.live(Duration::from_millis(700), |_| false)?;
                self.scene.link.hold(false);
            }
            Blow::Terminate => {
                if let Some(process) = self.scene.device.process() {
                    let status = process.terminate(STOP_WITHIN)?;
                    // A job may have ended it before.
                    if !status.success() && status.code().is_some() {
                        return Err(format!("SIGTERM ends in {status}").into());
                    }
                }
                self.scene.device.power_on()?;
            }
        }
        Ok(())
    }

    /// Cancels a job, unless it has ended.
    fn cancel(&mut self) {
        let at = self.random.below(self.jobs.len() as u64);
        let job = usize::try_from(at)
            .ok()
            .and_then(|at| self.jobs.get_mut(at));
        if let Some(job) = job.filter(|job| job.end.is_none()) {
            job.cancelled = self.scene.aws.cancel_job(&job.id, true).is_ok();
        }
    }

    fn calm_down(&mut self) -> Result<(), Problem> {
        *lock(&self.fuse) = Fuse::default();
        self.scene.link.up();
        self.scene.link.hold(false);
        Ok(self.scene.service.fault(&json!({}))?)
    }

    /// Lets the device live: reboots it when it asks to, starts the agent when it ended, looks at the jobs all the time.
    fn live(
        &mut self,
        within: Duration,
        mut done: impl FnMut(&mut Self) -> bool,
    ) -> Result<(), Problem> {
        let mut problem = None;
        wait_for(within, || {
            let step = self.step().map(|()| done(self));
            match step {
                Ok(done) => done.then_some(()),
                Err(error) => {
                    problem = Some(error);
                    Some(())
                }
            }
        });
        problem.map_or(Ok(()), Err)
    }

    fn step(&mut self) -> Result<(), Problem> {
        self.look()?;
        let device = &mut self.scene.device;
        if device.reboot_requested() {
            return self.boot(false);
        }
        let ended = device.process().and_then(|process| process.exited());
        if ended.is_some() && !lock(&self.fuse).fired {
            self.scene.device.power_on()?;
        }
        Ok(())
    }

    /// Ends this boot and begins the next one.
    fn boot(&mut self, pulled: bool) -> Result<(), Problem> {
        self.scene.device.pull_power();
        self.look()?;
        self.check_slots()?;
        let next = boots::next(&self.scene.device);
        // The file that stands for the bootloader acts when the agent opens it: until then it is the same power-on.
        let file = std::fs::read(self.scene.device.path("bootloader")).unwrap_or_default();
        if next.trial && file != self.bootloader {
            *self.trials.entry(next.sha256.clone()).or_default() += 1;
        }
        self.bootloader = file;
        if pulled {
            self.lost.extend(next.lost);
        }
        self.booted = (next.slot, next.sha256);
        self.scene.device.new_boot()?;
        Ok(self.scene.device.power_on()?)
    }

    /// The slot that runs was not written since its boot.
    fn check_slots(&self) -> Result<(), Problem> {
        let (file, sha256) = &self.booted;
        let bytes = std::fs::read(self.scene.device.path(file)).map_err(|e| e.to_string())?;
        if digest(&bytes) == *sha256 {
            return Ok(());
        }
        Err(format!("{file} was written while it ran").into())
    }

    /// Looks whether a job has ended, and whether the device agrees.
    fn look(&mut self) -> Result<(), Problem> {
        for index in 0..self.jobs.len() {
            let Some(job) = self.jobs.get_mut(index).filter(|job| job.end.is_none()) else {
                continue;
            };
            let found = self.scene.aws.execution(THING, &job.id);
            let end = found.map_err(|error| error.to_string())?;
            if end.is_terminal() {
                job.end = Some(end.status());
                self.check_end(index, &end)?;
            }
        }
        Ok(())
    }

    fn check_end(&self, index: usize, end: &Execution) -> Result<(), Problem> {
        let Some(job) = self.jobs.get(index) else {
            return Ok(());
        };
        let runs = self.booted.1 == job.sha256;
        let (status, reason) = (end.status(), end.detail("reason"));
        let (holds, counter) = match (status.as_str(), &job.file) {
            ("SUCCEEDED", None) => (runs, "numberOfSucceededThings"),
            ("SUCCEEDED", Some(file)) => {
                let bytes = std::fs::read(file).unwrap_or_default();
                (digest(&bytes) == job.sha256, "numberOfSucceededThings")
            }
            ("CANCELED", _) if job.cancelled => (true, "numberOfCanceledThings"),
            ("FAILED", None) if reason == "rolled_back" && self.lost.contains(&job.sha256) => {
                (!runs, "numberOfFailedThings")
            }
            _ => return Err(format!("{job:?} ended: {end:?}").into()),
        };
        if !holds {
            return Err(format!("the device does not agree with {job:?}: {end:?}").into());
        }
        if end.number() != 1 {
            return Err(format!("{job:?} ran more than once: {end:?}").into());
        }
        match self.scene.aws.count(&job.id, counter) {
            Ok(1) => Ok(()),
            other => Err(format!("{counter} of {job:?} is {other:?}").into()),
        }
    }
}

/// Lets the armed thing happen at its line of the log: what takes effect in the middle of things, at once.
fn watch(fuse: Arc<Mutex<Fuse>>, link: Proxy) -> impl FnMut(&str) -> Verdict + Send + 'static {
    move |line| {
        let mut fuse = lock(&fuse);
        let Some(blow) = fuse
            .blow
            .filter(|_| !fuse.fired && line.contains(fuse.text))
        else {
            return Verdict::Live;
        };
        if fuse.lines > 0 {
            fuse.lines -= 1;
            return Verdict::Live;
        }
        fuse.fired = true;
        match blow {
            Blow::Kill | Blow::PullPower => return Verdict::Kill,
            Blow::CutLink => link.cut(),
            Blow::LinkDown => link.down(),
            Blow::Silence => link.hold(true),
            Blow::Cancel
            | Blow::CutDownloads
            | Blow::ExpireUrls
            | Blow::LinkUp
            | Blow::Terminate => {}
        }
        Verdict::Live
    }
}

/// A panicking watcher leaves a whole fuse behind.
fn lock(fuse: &Mutex<Fuse>) -> std::sync::MutexGuard<'_, Fuse> {
    fuse.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is wrong with a round.
#[derive(Debug)]
struct Problem(String);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Problem {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<KitError> for Problem {
    fn from(error: KitError) -> Self {
        Self(error.to_string())
    }
}

/// SplitMix64: what happens depends on the seed only.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}
