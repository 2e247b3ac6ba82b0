//! Istio's Percent: `{value: 12.5}`.

use super::fields::Fields;
use crate::model::Percent;

/// `percentage` or a field like it, from 0 to 100; without a value it is 0. `smallest` is refused to be undercut by anything but 0.
pub(super) fn read(fields: &Fields<'_>, key: &'static str, smallest: f64) -> Option<Percent> {
    let percentage = fields.object(key)?;
    let value = percentage.decimal("value");
    percentage.finish();
    let value = value.unwrap_or(0.0);
    let path = percentage.path("value");
    if !(0.0..=100.0).contains(&value) {
        fields.report().error(&path, format!("{value} is not from 0 to 100"), "write a percentage");
        return None;
    }
    if value > 0.0 && value < smallest {
        let remedy = format!("write 0, or {smallest} and more");
        fields.report().error(&path, format!("{value} is finer than requests are drawn"), remedy);
        return None;
    }
    Some(in_millionths(value))
}

/// Of a number from 0 to 100.
fn in_millionths(value: f64) -> Percent {
    let digits: String = format!("{value:.4}").chars().filter(char::is_ascii_digit).collect();
    Percent(digits.parse().unwrap_or(0))
}

/// The deprecated whole number of percent, of which more than 100 is all.
pub(super) fn whole(number: u32) -> Percent {
    Percent(number.min(100) * 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_percentage_then_it_is_kept_in_millionths() {
        for (value, millionths) in [
            (0.0, 0),
            (0.0001, 1),
            (0.29, 2_900),
            (4.35, 43_500),
            (12.5, 125_000),
            (99.9999, 999_999),
            (100.0, 1_000_000),
        ] {
            assert_eq!(in_millionths(value), Percent(millionths), "{value}");
        }
        assert_eq!(
            [whole(0), whole(7), whole(100), whole(900)],
            [Percent(0), Percent(70_000), Percent::ALL, Percent::ALL]
        );
    }
}
