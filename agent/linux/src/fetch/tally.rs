//! How many bytes were fetched more than once: the number that a good resume keeps small.

use core::cell::Cell;

/// Counts the bytes of one download, over all of its connections and beginnings.
#[derive(Debug, Default)]
pub(super) struct Tally {
    high: Cell<u64>,
    refetched: Cell<u64>,
}

impl Tally {
    /// Goes on from what an earlier run counted; `high` bytes from the first on were fetched by it.
    pub(super) fn resume(&self, refetched: u64, high: u64) {
        self.refetched.set(self.refetched.get().max(refetched));
        self.high.set(self.high.get().max(high));
    }

    /// Counts the bytes from `from` up to but not including `to`.
    pub(super) fn add(&self, from: u64, to: u64) {
        let again = self.high.get().min(to).saturating_sub(from);
        self.refetched
            .set(self.refetched.get().saturating_add(again));
        self.high.set(self.high.get().max(to));
    }

    /// Bytes from the first on that were fetched at least once.
    pub(super) fn high(&self) -> u64 {
        self.high.get()
    }

    /// Bytes that were fetched more than once.
    pub(super) fn refetched(&self) -> u64 {
        self.refetched.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bytes_below_the_highest_are_fetched_again() {
        let tally = Tally::default();
        tally.resume(1, 10);

        tally.add(6, 8);
        tally.add(8, 15);
        tally.add(15, 20);

        assert_eq!((tally.refetched(), tally.high()), (1 + 4, 20));
    }
}
