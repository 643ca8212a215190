//! What is wrong with a configuration: where, what, and what to do.

use core::fmt;
use std::path::{Path, PathBuf};

/// Most problems that are kept; nobody reads more.
pub(crate) const PROBLEMS_MAX: usize = 100;

/// All that is wrong with a configuration, in the order of its lines.
///
/// Displays as a block for each problem, `path:line: problem` and `help: what to do`, and their count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    path: PathBuf,
    problems: Vec<Problem>,
}

impl Problems {
    pub(crate) fn new(path: &Path, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.place);
        problems.dedup();
        problems.truncate(PROBLEMS_MAX);
        Self {
            path: path.to_owned(),
            problems,
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The problems, by line.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        for Problem {
            place,
            problem,
            help,
        } in &self.problems
        {
            match place {
                Some(place) => writeln!(f, "{path}:{}: {problem}", place.line)?,
                None => writeln!(f, "{path}: {problem}")?,
            }
            writeln!(f, "help: {help}\n")?;
        }
        match self.problems.len() {
            1 => write!(f, "1 problem in {path}"),
            PROBLEMS_MAX.. => write!(f, "{PROBLEMS_MAX} problems or more in {path}"),
            count => write!(f, "{count} problems in {path}"),
        }
    }
}

impl core::error::Error for Problems {}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where; nowhere when the file itself cannot be read.
    pub place: Option<Place>,
    /// What is wrong, in one sentence.
    pub problem: String,
    /// What to do, in one sentence.
    pub help: String,
}

/// A place in the file, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

impl Place {
    /// The place of the byte at `offset`.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = text
            .char_indices()
            .take_while(|(at, _)| *at < offset)
            .map(|(_, c)| c);
        before.fold(Self { line: 1, column: 1 }, |place, c| {
            if c == '\n' {
                Self {
                    line: place.line.saturating_add(1),
                    column: 1,
                }
            } else {
                Self {
                    column: place.column.saturating_add(1),
                    ..place
                }
            }
        })
    }
}
