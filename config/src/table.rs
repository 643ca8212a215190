//! Reads the values of one TOML table, and remembers every key that it was asked for.
//!
//! A value of another kind or outside its range is a problem and `None`, or its default: reading goes on. What the table holds
//! beyond the keys asked for is a problem too ([`Section::finish`]).

use core::fmt::Display;
use core::ops::RangeInclusive;
use core::time::Duration;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::files::Need;
use crate::reader::{At, Reader};
use crate::suggest::{listed, nearest};

/// Most words of a command.
const WORDS_MAX: usize = 64;
/// Most bytes of a text.
const TEXT_LEN_MAX: usize = 4096;

/// The unit that a key ends with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    Minutes,
    Seconds,
}

impl Unit {
    const fn seconds(self) -> f64 {
        match self {
            Self::Minutes => 60.0,
            Self::Seconds => 1.0,
        }
    }
}

/// One table of the file.
#[derive(Debug)]
pub(crate) struct Section<'r, 't> {
    name: String,
    /// Where it is named.
    pub(crate) offset: usize,
    table: &'t DeTable<'t>,
    known: Vec<&'static str>,
    pub(crate) reader: &'r mut Reader<'t>,
}

impl<'r, 't> Section<'r, 't> {
    /// The whole file.
    pub(crate) const fn root(reader: &'r mut Reader<'t>, table: &'t DeTable<'t>) -> Self {
        Self {
            name: String::new(),
            offset: 0,
            table,
            known: Vec::new(),
            reader,
        }
    }
}

impl<'t> Section<'_, 't> {
    /// Every key of the table, for one whose keys are not ours to choose.
    pub(crate) fn entries(&self) -> Vec<(At<&'t str>, &'t Spanned<DeValue<'t>>)> {
        let mut entries: Vec<_> = self
            .table
            .iter()
            .map(|(key, value)| (at(key, key.get_ref().as_ref()), value))
            .collect();
        entries.sort_by_key(|(key, _)| key.offset);
        entries
    }

    /// A table within this one.
    pub(crate) fn section(&mut self, key: &'static str) -> Option<Section<'_, 't>> {
        self.know(key);
        let (name, value) = self.table.get_key_value(key)?;
        let offset = name.span().start;
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_kind(key, value, "a section");
            return None;
        };
        let name = if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        };
        Some(Section {
            name,
            offset,
            table,
            known: Vec::new(),
            reader: self.reader,
        })
    }

    /// A table that must be there.
    pub(crate) fn required_section(
        &mut self,
        key: &'static str,
        keys: &str,
    ) -> Option<Section<'_, 't>> {
        if !self.table.contains_key(key) {
            self.know(key);
            let prefix = if self.name.is_empty() { "" } else { "." };
            let problem = format!("section `[{}{prefix}{key}]` is missing", self.name);
            self.reader
                .problem(self.offset, problem, format!("add it with {keys}"));
        }
        self.section(key)
    }

    /// A text that is not empty.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<At<&'t str>> {
        let value = self.value(key)?;
        match value.get_ref().as_str() {
            Some("") => {
                let help = "write a value between the quotes, or remove the line";
                self.reader
                    .problem(value.span().start, format!("`{key}` is empty"), help);
                None
            }
            Some(text) if text.len() > TEXT_LEN_MAX => {
                let problem = format!("`{key}` has more than {TEXT_LEN_MAX} bytes");
                self.reader
                    .problem(value.span().start, problem, "shorten it");
                None
            }
            Some(text) => Some(at(value, text)),
            None => {
                self.wrong_kind(key, value, "a text in quotes");
                None
            }
        }
    }

    /// A text that must be there.
    pub(crate) fn required_text(&mut self, key: &'static str, help: &str) -> Option<At<&'t str>> {
        if !self.table.contains_key(key) {
            self.know(key);
            let problem = format!("`{key}` is missing from `[{}]`", self.name);
            self.reader.problem(self.offset, problem, help);
            return None;
        }
        self.text(key)
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_kind(key, value, "true or false");
        }
        flag
    }

    /// A whole number.
    pub(crate) fn number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        default: Option<u64>,
    ) -> Option<u64> {
        let Some(value) = self.value(key) else {
            return default;
        };
        let Some(number) = integer(value.get_ref()) else {
            self.wrong_kind(key, value, "a whole number");
            return default;
        };
        match u64::try_from(number).ok().filter(|n| range.contains(n)) {
            Some(number) => Some(number),
            None => {
                self.outside(key, value, number, &range, default);
                default
            }
        }
    }

    /// A length of time, fractions allowed.
    pub(crate) fn duration(
        &mut self,
        key: &'static str,
        unit: Unit,
        range: RangeInclusive<f64>,
        default: f64,
    ) -> Duration {
        let seconds = self.quantity(key, range, default) * unit.seconds();
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }

    fn quantity(&mut self, key: &'static str, range: RangeInclusive<f64>, default: f64) -> f64 {
        let Some(value) = self.value(key) else {
            return default;
        };
        let Some(number) = float(value.get_ref()) else {
            self.wrong_kind(key, value, "a number");
            return default;
        };
        if !range.contains(&number) {
            self.outside(key, value, number, &range, Some(default));
            return default;
        }
        number
    }

    /// A list of texts that are not empty.
    pub(crate) fn texts(&mut self, key: &'static str, most: usize) -> Option<Vec<At<&'t str>>> {
        let value = self.value(key)?;
        let texts: Option<Vec<_>> = value.get_ref().as_array().and_then(|array| {
            array
                .iter()
                .map(|item| Some(at(item, item.get_ref().as_str()?)))
                .collect()
        });
        let Some(texts) = texts else {
            self.wrong_kind(key, value, "a list of texts");
            return None;
        };
        if texts.len() > most {
            let problem = format!("`{key}` has {} entries", texts.len());
            let help = format!("keep at most {most}");
            self.reader.problem(value.span().start, problem, help);
            return None;
        }
        for empty in texts.iter().filter(|text| text.value.is_empty()) {
            let problem = format!("an entry of `{key}` is empty");
            self.reader.problem(empty.offset, problem, "remove it");
        }
        Some(texts)
    }

    /// A path, relative to the configuration's directory.
    pub(crate) fn path(&mut self, key: &'static str) -> Option<At<PathBuf>> {
        let text = self.text(key)?;
        Some(self.reader.resolve(text))
    }

    /// A path that must be there.
    pub(crate) fn required_path(&mut self, key: &'static str, help: &str) -> Option<At<PathBuf>> {
        let text = self.required_text(key, help)?;
        Some(self.reader.resolve(text))
    }

    /// Paths, relative to the configuration's directory.
    pub(crate) fn paths(&mut self, key: &'static str, most: usize) -> Vec<At<PathBuf>> {
        let texts = self.texts(key, most).unwrap_or_default();
        texts
            .into_iter()
            .map(|text| self.reader.resolve(text))
            .collect()
    }

    /// The absolute path of a program, which must be there and be one.
    pub(crate) fn program(&mut self, key: &'static str, text: At<&'t str>) -> Option<PathBuf> {
        let path = At {
            value: PathBuf::from(text.value),
            offset: text.offset,
        };
        if !path.value.is_absolute() {
            let problem = format!("`{key}` names `{}` without its directory", text.value);
            let help = "write the program's absolute path: nothing is looked for in PATH";
            self.reader.problem(text.offset, problem, help);
            return None;
        }
        self.reader.demand(key, &path, Need::Program);
        Some(path.value)
    }

    /// A program and its arguments.
    pub(crate) fn command(&mut self, key: &'static str) -> Option<Vec<String>> {
        let words = self.texts(key, WORDS_MAX)?;
        let Some(program) = words.first() else {
            let offset = self
                .value(key)
                .map_or(self.offset, |value| value.span().start);
            let help = "list the program's absolute path and its arguments";
            self.reader
                .problem(offset, format!("`{key}` has no program"), help);
            return None;
        };
        self.program(key, *program)?;
        Some(words.iter().map(|word| word.value.to_owned()).collect())
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(
        &mut self,
        key: &'static str,
        text: At<&str>,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let found = choices.iter().find(|(word, _)| *word == text.value);
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            let problem = format!("`{key}` cannot be `{}`", text.value);
            let help = match nearest(text.value, &words) {
                Some(word) => format!("did you mean `{word}`?"),
                None => format!("choose one of {}", listed(&words)),
            };
            self.reader.problem(text.offset, problem, help);
        }
        found.map(|(_, choice)| *choice)
    }

    /// Everything that the table holds and nobody asked for is a problem.
    pub(crate) fn finish(self) {
        for (key, _) in self.entries() {
            if self.known.contains(&key.value) {
                continue;
            }
            let kind = if self.name.is_empty() {
                "section"
            } else {
                "key"
            };
            let place = match self.name.as_str() {
                "" => String::new(),
                name => format!(" in `[{name}]`"),
            };
            let help = match nearest(key.value, &self.known) {
                Some(word) => format!("did you mean `{word}`?"),
                None => format!("remove it; known are {}", listed(&self.known)),
            };
            let problem = format!("unknown {kind} `{}`{place}", key.value);
            self.reader.problem(key.offset, problem, help);
        }
    }

    fn value(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.know(key);
        self.table.get(key)
    }

    fn know(&mut self, key: &'static str) {
        if !self.known.contains(&key) {
            self.known.push(key);
            #[cfg(test)]
            self.reader.known.push((self.name.clone(), key));
        }
    }

    fn wrong_kind(&mut self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) {
        let problem = format!("`{key}` is of type {}", value.get_ref().type_str());
        self.reader
            .problem(value.span().start, problem, format!("write {expected}"));
    }

    fn outside<N: Display, L: Display>(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        number: N,
        range: &RangeInclusive<L>,
        default: Option<L>,
    ) {
        let (least, most) = (range.start(), range.end());
        let problem = format!("`{key}` is {number}, outside of {least} to {most}");
        let help = match default {
            Some(default) => format!("write a number in that range; {default} without the line"),
            None => "write a number in that range".to_owned(),
        };
        self.reader.problem(value.span().start, problem, help);
    }
}

fn at<T, V>(spanned: &Spanned<T>, value: V) -> At<V> {
    At {
        value,
        offset: spanned.span().start,
    }
}

fn integer(value: &DeValue<'_>) -> Option<i128> {
    let integer = value.as_integer()?;
    i128::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn float(value: &DeValue<'_>) -> Option<f64> {
    if value.is_integer() {
        return integer(value)?.to_string().parse().ok();
    }
    let number: f64 = value.as_float()?.as_str().parse().ok()?;
    number.is_finite().then_some(number)
}
