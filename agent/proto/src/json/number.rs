//! The numbers of a checked text, as whole numbers and without floating point.

/// Largest magnitude that an `i64` can have.
const MAGNITUDE_MAX: u64 = 1 << 63;
/// An exponent beyond every length of a text.
const POWER_MAX: i32 = 1_000_000_000;

/// A number without its fraction.
pub(super) struct Number {
    pub(super) whole: i64,
    /// Whether there was no fraction.
    pub(super) exact: bool,
}

/// Reads the spelling of a checked number; none if it is another value or out of range.
pub(super) fn number(raw: &str) -> Option<Number> {
    let (negative, digits) = sign(raw.as_bytes());
    if !digits.first()?.is_ascii_digit() {
        return None;
    }
    let integer_len = position(digits, |byte| !byte.is_ascii_digit());
    let mantissa_len = position(digits, |byte| byte | 0x20 == b'e');
    let (mantissa, exponent) = digits.split_at_checked(mantissa_len)?;
    // How many digits stand before the point once the exponent has moved it.
    let mut integers = i32::try_from(integer_len)
        .ok()?
        .saturating_add(power(exponent));
    let mut magnitude = 0_u64;
    let mut exact = true;
    let mut bytes = mantissa.iter();
    loop {
        let digit = match bytes.next() {
            Some(b'.') => continue,
            Some(digit) => digit.wrapping_sub(b'0'),
            None if integers > 0 && magnitude > 0 => 0,
            None => break,
        };
        if integers > 0 {
            integers -= 1;
            if magnitude > MAGNITUDE_MAX / 10 {
                return None;
            }
            magnitude = magnitude * 10 + u64::from(digit);
        } else {
            exact &= digit == 0;
        }
    }
    let whole = if negative {
        0_i64.checked_sub_unsigned(magnitude)?
    } else {
        i64::try_from(magnitude).ok()?
    };
    Some(Number { whole, exact })
}

/// What an exponent (`e+7`, or nothing) moves the point by, within bounds that no length of a message can reach.
fn power(exponent: &[u8]) -> i32 {
    let marked = exponent.get(1..).unwrap_or_default();
    let (negative, digits) = sign(marked.strip_prefix(b"+").unwrap_or(marked));
    let magnitude = digits.iter().fold(0, |power, digit| {
        i32::min(power, POWER_MAX / 10) * 10 + i32::from(digit.wrapping_sub(b'0'))
    });
    if negative { -magnitude } else { magnitude }
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', digits @ ..] => (true, digits),
        _ => (false, text),
    }
}

/// Where the first such byte stands, or the end.
fn position(text: &[u8], wanted: impl Fn(u8) -> bool) -> usize {
    text.iter()
        .position(|&byte| wanted(byte))
        .unwrap_or(text.len())
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
