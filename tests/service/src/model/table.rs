//! Maps and values that note what of them was touched, so that it can be kept elsewhere.
//!
//! Both read as what they hold. Writing goes through [`Table::get_mut`] and its like, or through
//! [`Noted`]'s `DerefMut`, which cannot be forgotten. Until somebody records, nothing is noted.

use core::borrow::Borrow;
use core::fmt;
use core::ops::{Deref, DerefMut};
use std::collections::{BTreeMap, btree_map};

/// What a [`Table`] holds.
pub(super) trait Record {
    /// Notes from now on what is touched inside. Most rows have no inside: they are kept whole.
    fn record(&mut self) {}
}

impl Record for () {}

/// How a row was touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Touch {
    /// Handed out to be changed.
    Changed,
    /// Put in or taken out: whatever was inside is another one's.
    Replaced,
}

/// A map that notes which of its rows were touched. Prints as the map.
#[derive(Clone)]
pub(super) struct Table<K, V> {
    rows: BTreeMap<K, V>,
    /// `None` until somebody records.
    touched: Option<BTreeMap<K, Touch>>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            touched: None,
        }
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rows.fmt(f)
    }
}

impl<K, V> Deref for Table<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &Self::Target {
        &self.rows
    }
}

impl<'a, K, V> IntoIterator for &'a Table<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = btree_map::Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.iter()
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Table<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(rows: I) -> Self {
        Self {
            rows: rows.into_iter().collect(),
            touched: None,
        }
    }
}

impl<K: Ord + Clone, V: Record> Table<K, V> {
    /// The row of `key`, to be changed.
    pub(super) fn get_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        if let Some(touched) = &mut self.touched
            && let Some((key, _)) = self.rows.get_key_value(key)
        {
            touched.entry(key.clone()).or_insert(Touch::Changed);
        }
        self.rows.get_mut(key)
    }

    /// Puts a row in, and returns the one that it replaces.
    pub(super) fn insert(&mut self, key: K, mut row: V) -> Option<V> {
        if let Some(touched) = &mut self.touched {
            row.record();
            touched.insert(key.clone(), Touch::Replaced);
        }
        self.rows.insert(key, row)
    }

    /// Takes a row out.
    pub(super) fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let (key, row) = self.rows.remove_entry(key)?;
        self.note_replaced(key);
        Some(row)
    }

    /// Takes the first row out.
    pub(super) fn pop_first(&mut self) -> Option<K> {
        let (key, _) = self.rows.pop_first()?;
        self.note_replaced(key.clone());
        Some(key)
    }

    /// Takes all rows out.
    pub(super) fn take(&mut self) -> BTreeMap<K, V> {
        let rows = core::mem::take(&mut self.rows);
        if let Some(touched) = &mut self.touched {
            touched.extend(rows.keys().map(|key| (key.clone(), Touch::Replaced)));
        }
        rows
    }

    /// Notes from now on what is touched. What is there now counts as kept.
    pub(super) fn record(&mut self) {
        self.touched.get_or_insert_default();
        self.rows.values_mut().for_each(Record::record);
    }

    /// Which rows were touched since the last call.
    pub(super) fn take_touched(&mut self) -> BTreeMap<K, Touch> {
        let touched = self.touched.as_mut();
        touched.map(core::mem::take).unwrap_or_default()
    }

    /// The row of `key`, for who keeps what was touched inside.
    pub(super) fn inside(&mut self, key: &K) -> Option<&mut V> {
        self.rows.get_mut(key)
    }

    fn note_replaced(&mut self, key: K) {
        if let Some(touched) = &mut self.touched {
            touched.insert(key, Touch::Replaced);
        }
    }
}

/// A value that notes whether it was touched. Prints as the value.
#[derive(Clone, Default)]
pub(super) struct Noted<T> {
    value: T,
    touched: bool,
}

impl<T> Noted<T> {
    /// A value that was not touched yet.
    pub(super) fn new(value: T) -> Self {
        let touched = false;
        Self { value, touched }
    }

    /// Whether the value was touched since the last call.
    pub(super) fn take_touched(&mut self) -> bool {
        core::mem::take(&mut self.touched)
    }
}

impl<T: fmt::Debug> fmt::Debug for Noted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T> Deref for Noted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Noted<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.touched = true;
        &mut self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rows = Table<&'static str, ()>;

    fn recorded(keys: &[&'static str]) -> Rows {
        let mut table: Rows = keys.iter().map(|key| (*key, ())).collect();
        table.record();
        table
    }

    fn touched(table: &mut Rows) -> Vec<&'static str> {
        table.take_touched().into_keys().collect()
    }

    #[test]
    fn every_way_to_write_is_noted_once() {
        let mut table = recorded(&["a", "b", "c", "d", "e"]);
        table.get_mut("a");
        table.insert("f", ());
        table.remove("b");
        assert_eq!(touched(&mut table), ["a", "b", "f"]);
        table.pop_first();
        assert_eq!(touched(&mut table), ["a"]);
        table.take();
        assert_eq!(touched(&mut table), ["c", "d", "e", "f"]);
        assert!(touched(&mut table).is_empty());
    }

    #[test]
    fn what_is_only_read_or_not_there_is_not_noted() {
        let mut table = recorded(&["a"]);
        assert!(table.get("a").is_some() && table.get_mut("b").is_none());
        assert!(table.remove("b").is_none() && table.iter().count() == 1);
        assert!(touched(&mut table).is_empty());
    }

    #[test]
    fn a_row_that_was_replaced_stays_so_when_it_is_changed() {
        let mut table = recorded(&["a"]);
        table.remove("a");
        table.insert("a", ());
        table.get_mut("a");
        assert_eq!(table.take_touched()["a"], Touch::Replaced);
    }

    #[test]
    fn nothing_is_noted_until_somebody_records() {
        let mut table = Rows::default();
        table.insert("a", ());
        assert!(table.touched.is_none() && touched(&mut table).is_empty());
    }

    #[test]
    fn a_value_is_noted_when_it_is_borrowed_to_be_changed() {
        let mut value = Noted::new(1);
        assert!(*value == 1 && !value.take_touched());
        *value += 1;
        assert!(value.take_touched() && !value.take_touched());
    }
}
