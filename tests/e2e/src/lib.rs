//! Real binaries on loopback, one test file for each behaviour.
//!
//! What the tests share: a service, a device behind a link that can be cut, and the jobs that an operator would make.

pub mod boots;

use core::time::Duration;

use iot_jobs_kit::aws::Execution;
use iot_jobs_kit::image::Image;
use iot_jobs_kit::{
    Aws, Binaries, Device, DeviceOptions, KitError, NewJob, Proxy, Service, ServiceOptions,
    wait_for,
};
use serde_json::{Value, json};

/// The thing of every test.
pub const THING: &str = "gw-1";
/// Longest that any job of the tests takes, on a slow machine.
pub const WITHIN: Duration = Duration::from_secs(60);

/// A service, and a device that reaches its broker through a link that can be cut.
#[derive(Debug)]
pub struct Scene {
    /// The service.
    pub service: Service,
    /// Its HTTP planes.
    pub aws: Aws,
    /// The device's link to the broker.
    pub link: Proxy,
    /// The device; its power is off at first.
    pub device: Device,
    jobs: u32,
}

impl Scene {
    /// Sets it up; `adapt` changes the device's options.
    pub fn new(adapt: impl FnOnce(&mut DeviceOptions)) -> Result<Self, KitError> {
        let binaries = Binaries::for_tests()?;
        let service = Service::start(binaries, ServiceOptions::default())?;
        let link = Proxy::start(service.mqtt_address()).map_err(|source| KitError::File {
            path: "the proxy".into(),
            source,
        })?;
        let mut options = DeviceOptions::new(THING);
        options.port = Some(link.address().port());
        adapt(&mut options);
        let device = Device::new(binaries, &service, options)?;
        let aws = service.aws();
        Ok(Self {
            service,
            aws,
            link,
            device,
            jobs: 0,
        })
    }

    /// Sets it up, and waits until the device listens for jobs.
    pub fn powered(adapt: impl FnOnce(&mut DeviceOptions)) -> Result<Self, KitError> {
        let mut scene = Self::new(adapt)?;
        scene.device.power_on()?;
        scene.device.wait_subscribed()?;
        Ok(scene)
    }

    /// Uploads an image and makes a firmware job for it; the job's id.
    pub fn firmware_job(
        &mut self,
        image: &Image,
        adapt: impl FnOnce(&mut Value),
    ) -> Result<String, KitError> {
        let key = format!("image-{}", image.sha256);
        self.aws
            .upload("firmware", &key, &image.bytes)
            .map_err(refused("the upload"))?;
        let mut document = json!({
            "operation": "firmware-update",
            "version": "2.0.0",
            "url": placeholder(&key),
            "size": image.bytes.len(),
            "sha256": image.sha256,
        });
        adapt(&mut document);
        self.job(document, None)
    }

    /// Makes a job; its id.
    pub fn job(&mut self, document: Value, namespace: Option<&str>) -> Result<String, KitError> {
        self.jobs += 1;
        let id = format!("job-{}", self.jobs);
        let job = NewJob {
            id: &id,
            thing: THING,
            namespace,
            document,
        };
        self.aws.create_job(&job).map_err(refused("the job"))?;
        Ok(id)
    }

    /// Lets the device live until the job's execution has ended.
    pub fn end_of(&mut self, job: &str) -> Result<Execution, KitError> {
        let aws = self.aws.clone();
        self.device
            .live_until(&format!("the end of {job}"), WITHIN, || {
                aws.execution(THING, job)
                    .ok()
                    .filter(Execution::is_terminal)
            })
    }

    /// Waits until the job reports bytes.
    pub fn progress_of(&self, job: &str) -> Result<(), KitError> {
        let bytes = || {
            self.aws
                .execution(THING, job)
                .ok()
                .filter(|e| !e.detail("bytes").is_empty())
        };
        wait_for(WITHIN, bytes)
            .map(drop)
            .ok_or_else(|| KitError::Timeout {
                what: format!("progress of {job}"),
                seconds: WITHIN.as_secs(),
                log: self.device.tail(),
            })
    }

    /// The execution as it stands.
    pub fn execution(&self, job: &str) -> Result<Execution, KitError> {
        self.aws
            .execution(THING, job)
            .map_err(refused("the execution"))
    }

    /// The first `len` bytes of a slot.
    pub fn slot(&self, name: &str, len: usize) -> Vec<u8> {
        let mut bytes = std::fs::read(self.device.path(name)).unwrap_or_default();
        bytes.truncate(len);
        bytes
    }
}

/// A presigned-URL placeholder, as job documents carry it.
pub fn placeholder(key: &str) -> String {
    format!("${{aws:iot:s3-presigned-url:https://s3.eu-west-1.amazonaws.com/firmware/{key}}}")
}

fn refused(call: &str) -> impl FnOnce(iot_jobs_kit::AwsError) -> KitError {
    let call = call.to_owned();
    move |source| KitError::Aws { call, source }
}
