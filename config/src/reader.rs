//! What is gathered while the text is read: its problems, and the files that it names.

use core::fmt::Display;
use std::path::{Path, PathBuf};

use crate::files::{Demand, Need};
use crate::problem::{PROBLEMS_MAX, Place, Problem};

/// Most characters of a sentence: what it repeats of the text may be of any length.
const SENTENCE_LEN_MAX: usize = 600;

/// What is known of the text so far.
#[derive(Debug)]
pub(crate) struct Reader<'t> {
    text: &'t str,
    /// Relative paths begin here.
    directory: PathBuf,
    pub(crate) problems: Vec<Problem>,
    /// What the files that are named have to be.
    pub(crate) demands: Vec<Demand>,
    /// Every key asked for, with its section.
    #[cfg(test)]
    pub(crate) known: Vec<(String, &'static str)>,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(text: &'t str, path: &Path) -> Self {
        Self {
            text,
            // Jobs name absolute paths: those that they are compared with must be, wherever the agent was started.
            directory: std::path::absolute(path)
                .ok()
                .and_then(|path| path.parent().map(Path::to_owned))
                .unwrap_or_default(),
            problems: Vec::new(),
            demands: Vec::new(),
            #[cfg(test)]
            known: Vec::new(),
        }
    }

    pub(crate) fn problem(&mut self, offset: usize, problem: impl Display, help: impl Display) {
        if self.problems.len() >= PROBLEMS_MAX {
            return;
        }
        let cut = |sentence: &dyn Display| -> String {
            sentence
                .to_string()
                .chars()
                .take(SENTENCE_LEN_MAX)
                .collect()
        };
        self.problems.push(Problem {
            place: Some(Place::of(self.text, offset)),
            problem: cut(&problem),
            help: cut(&help),
        });
    }

    /// A path as it is meant: relative ones begin at the configuration's directory.
    pub(crate) fn resolve(&self, text: At<&str>) -> At<PathBuf> {
        At {
            value: self.directory.join(text.value),
            offset: text.offset,
        }
    }

    pub(crate) fn demand(&mut self, key: &'static str, path: &At<PathBuf>, need: Need) {
        let demand = Demand {
            place: Place::of(self.text, path.offset),
            key,
            path: path.value.clone(),
            need,
        };
        self.demands.push(demand);
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) offset: usize,
}
