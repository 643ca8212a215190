//! The numbers of a checked text, as whole numbers and without floating point.

/// A number without its fraction.
pub(super) struct Number {
    pub(super) whole: i64,
    /// Whether there was no fraction.
    pub(super) exact: bool,
}

/// Reads the spelling of a checked number; none if it is another value or out of range.
pub(super) fn number(raw: &str) -> Option<Number> {
    let (negative, digits) = sign(raw);
    if !digits.as_bytes().first()?.is_ascii_digit() {
        return None;
    }
    let mantissa_len = position(digits, |byte| matches!(byte, b'e' | b'E'));
    let (mantissa, exponent) = digits.split_at_checked(mantissa_len)?;
    let integer_len = position(mantissa, |byte| byte == b'.');
    // How many digits stand before the point once the exponent has moved it.
    let mut integers = i32::try_from(integer_len)
        .ok()?
        .saturating_add(power(exponent));
    let mut magnitude = 0_u64;
    let mut exact = true;
    for digit in mantissa.bytes().filter(u8::is_ascii_digit) {
        let digit = digit - b'0';
        if integers > 0 {
            magnitude = magnitude.checked_mul(10)?.checked_add(digit.into())?;
            integers -= 1;
        } else {
            exact &= digit == 0;
        }
    }
    while integers > 0 && magnitude > 0 {
        magnitude = magnitude.checked_mul(10)?;
        integers -= 1;
    }
    let whole = if negative {
        0_i64.checked_sub_unsigned(magnitude)?
    } else {
        i64::try_from(magnitude).ok()?
    };
    Some(Number { whole, exact })
}

/// What an exponent (`e+7`, or nothing) moves the point by, within bounds that no length of a message can reach.
fn power(exponent: &str) -> i32 {
    let marked = exponent.get(1..).unwrap_or_default();
    let (negative, digits) = sign(marked.strip_prefix('+').unwrap_or(marked));
    let magnitude = digits.bytes().fold(0_i32, |power, digit| {
        power
            .saturating_mul(10)
            .saturating_add(i32::from(digit.wrapping_sub(b'0')))
    });
    if negative { -magnitude } else { magnitude }
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    }
}

/// Where the first such byte stands, or the end.
fn position(text: &str, wanted: impl Fn(u8) -> bool) -> usize {
    text.bytes().position(wanted).unwrap_or(text.len())
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
