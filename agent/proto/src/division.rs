//! Long division, for machines without an instruction for 64 bits: the compiler's routine takes 900 bytes of flash.

use core::num::NonZeroU16;

/// Quotient and remainder of `number` by `divisor`.
#[inline(never)]
pub(crate) fn divide(number: u64, divisor: NonZeroU16) -> (u64, u16) {
    let divisor = core::num::NonZeroU32::from(divisor);
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    let mut quotient = 0;
    let mut rest = 0;
    for digit in [[a, b], [c, d], [e, f], [g, h]].map(u16::from_be_bytes) {
        let part = rest << 16 | u32::from(digit);
        quotient = quotient << 16 | u64::from(part / divisor);
        rest = part % divisor;
    }
    (quotient, u16::try_from(rest).unwrap_or_default())
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
