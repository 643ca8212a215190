//! Long division, for machines without an instruction for 64 bits: the compiler's routine takes 900 bytes of flash.

use core::num::{NonZeroU16, NonZeroU32};

/// Quotient and remainder of `number` by `divisor`.
#[inline(never)]
pub(crate) fn divide(mut number: u64, divisor: NonZeroU16) -> (u64, u32) {
    let divisor = NonZeroU32::from(divisor);
    let mut rest = 0;
    // Digits of 16 bits leave at the top, those of the quotient come in below.
    for _ in 0..4 {
        let part = rest << 16 | (number >> 48) as u32;
        number = number << 16 | u64::from(part / divisor);
        rest = part % divisor;
    }
    (number, rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn long_division_agrees_with_the_compilers(number: u64, divisor: NonZeroU16) {
            let by = u64::from(divisor.get());
            let (quotient, rest) = divide(number, divisor);
            prop_assert_eq!((quotient, u64::from(rest)), (number / by, number % by));
        }
    }
}
