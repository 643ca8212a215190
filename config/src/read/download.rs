//! `[download]`

use core::time::Duration;

use crate::Download;
use crate::files::Need;
use crate::table::{Section, Unit};

const MIB: u64 = 1024 * 1024;
const SIZE_MAX_MIB: u64 = 1024;
const KEEP_FREE_MIB: u64 = 16;
/// One tebibyte: more is a mistake.
const MIB_MAX: u64 = 1024 * 1024;
const STALL_TIMEOUT_SECS: f64 = 30.0;
const ALLOWED_PATHS_MAX: usize = 64;

pub(super) fn read(section: Option<Section<'_, '_>>) -> Download {
    let Some(mut section) = section else {
        return Download {
            root_ca: None,
            size_max: SIZE_MAX_MIB * MIB,
            stall_timeout: Duration::from_secs_f64(STALL_TIMEOUT_SECS),
            keep_free: KEEP_FREE_MIB * MIB,
            allowed_paths: Vec::new(),
            allow_http: false,
        };
    };
    let root_ca = section.path("root_ca");
    if let Some(path) = &root_ca {
        section.reader.demand("root_ca", path, Need::Certificates);
    }
    let allowed_paths = section.paths("allowed_paths", ALLOWED_PATHS_MAX);
    for path in &allowed_paths {
        section
            .reader
            .demand("allowed_paths", path, Need::Directory);
    }
    let mut mib = |key, least, default| {
        let size = section.number(key, least..=MIB_MAX, Some(default));
        size.unwrap_or(default).saturating_mul(MIB)
    };
    let size_max = mib("size_max_mib", 1, SIZE_MAX_MIB);
    let keep_free = mib("keep_free_mib", 0, KEEP_FREE_MIB);
    let download = Download {
        root_ca: root_ca.map(|path| path.value),
        size_max,
        stall_timeout: section.duration(
            "stall_timeout_secs",
            Unit::Seconds,
            0.5..=3600.0,
            STALL_TIMEOUT_SECS,
        ),
        keep_free,
        allowed_paths: allowed_paths.into_iter().map(|path| path.value).collect(),
        allow_http: section.flag("allow_http").unwrap_or(false),
    };
    section.finish();
    download
}
