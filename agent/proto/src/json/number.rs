//! The numbers of a checked text, as whole numbers and without floating point.

/// A number without its fraction.
pub(super) struct Number {
    pub(super) whole: i64,
    /// Whether there was no fraction.
    pub(super) exact: bool,
}

/// Reads the spelling of a checked number; none if it is another value or out of range.
pub(super) fn number(raw: &str) -> Option<Number> {
    let (negative, digits) = match raw.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, raw),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (digits, exponent) = match digits.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, power(exponent)),
        None => (digits, 0),
    };
    let decimal = Decimal::read(digits, exponent);
    let (magnitude, exact) = decimal.whole()?;
    let whole = if negative {
        0_i64.checked_sub_unsigned(magnitude)?
    } else {
        i64::try_from(magnitude).ok()?
    };
    Some(Number { whole, exact })
}

/// An exponent, held within bounds that no length of a message can make matter.
fn power(text: &str) -> i32 {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = digits.bytes().fold(0_i32, |power, digit| {
        power
            .saturating_mul(10)
            .saturating_add(i32::from(digit.wrapping_sub(b'0')))
    });
    if negative { -magnitude } else { magnitude }
}

/// `significand` × 10 to the `power`.
struct Decimal {
    significand: u64,
    power: i32,
    /// Whether digits other than zero did not fit.
    rounded: bool,
}

impl Decimal {
    /// Below this another digit fits.
    const ROOM: u64 = u64::MAX / 10;

    fn read(digits: &str, power: i32) -> Self {
        let mut decimal = Self {
            significand: 0,
            power,
            rounded: false,
        };
        let mut fraction = false;
        for byte in digits.bytes() {
            if byte == b'.' {
                fraction = true;
                continue;
            }
            decimal.push(byte.wrapping_sub(b'0'), fraction);
        }
        decimal
    }

    fn push(&mut self, digit: u8, fraction: bool) {
        if self.significand < Self::ROOM {
            self.significand = self.significand * 10 + u64::from(digit);
            self.power = self.power.saturating_sub(i32::from(fraction));
        } else {
            self.rounded |= digit != 0;
            self.power = self.power.saturating_add(i32::from(!fraction));
        }
    }

    /// The number without its fraction, and whether there was none; none if it is out of range.
    fn whole(mut self) -> Option<(u64, bool)> {
        while self.power > 0 && self.significand > 0 {
            self.significand = self.significand.checked_mul(10)?;
            self.power -= 1;
        }
        let mut exact = !self.rounded;
        while self.power < 0 && self.significand > 0 {
            exact &= self.significand.is_multiple_of(10);
            self.significand /= 10;
            self.power += 1;
        }
        Some((self.significand, exact))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(raw: &str) -> Option<i64> {
        number(raw)
            .filter(|number| number.exact)
            .map(|number| number.whole)
    }

    fn truncated(raw: &str) -> Option<i64> {
        number(raw).map(|number| number.whole)
    }

    #[test]
    fn a_whole_number_is_taken_however_it_is_spelled() {
        assert_eq!(exact("1.7e9"), Some(1_700_000_000));
        assert_eq!(exact("1.604067741583E12"), Some(1_604_067_741_583));
        assert_eq!(exact("7.0"), Some(7));
        assert_eq!(exact("700e-2"), Some(7));
        assert_eq!(exact("-0"), Some(0));
        assert_eq!(exact("0e99999999999"), Some(0));
        assert_eq!(exact("0.000000000000000000000000001e27"), Some(1));
    }

    #[test]
    fn a_fraction_is_cut_off_only_where_that_is_asked_for() {
        assert_eq!(truncated("1489096425.069"), Some(1_489_096_425));
        assert_eq!(exact("1489096425.069"), None);
        assert_eq!(truncated("-1.9"), Some(-1));
        assert_eq!(truncated("1e-99999999999"), Some(0));
        assert_eq!(exact("1.00000000000000000000000001"), None);
    }

    #[test]
    fn the_limits_of_the_type_are_the_limits_of_the_number() {
        assert_eq!(exact("9223372036854775807"), Some(i64::MAX));
        assert_eq!(exact("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(exact("9223372036854775808"), None);
        assert_eq!(exact("18446744073709551616"), None);
        assert_eq!(exact("1e19"), None);
        assert_eq!(exact("1e99999999999"), None);
    }

    #[test]
    fn more_digits_than_fit_are_cut_off_behind_the_point() {
        assert_eq!(truncated("1.8446744073709551616055"), Some(1));
        assert_eq!(
            truncated("922337203685477580.69999"),
            Some(922_337_203_685_477_580)
        );
    }

    #[test]
    fn other_values_are_no_numbers() {
        for raw in ["true", "null", "\"7\"", "[7]", ""] {
            assert_eq!(truncated(raw), None, "{raw}");
        }
    }
}
