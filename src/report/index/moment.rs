//! Moments as numbers, for the axis of a chart.

/// Seconds since 1970 of an RFC 3339 moment in UTC, such as `2026-11-30T05:45:17Z`; `None` of any other text.
pub(super) fn seconds(moment: &str) -> Option<i64> {
    let (date, time) = moment.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let mut time = time.splitn(3, ':').map(str::parse::<f64>);
    let (hour, minute, second) = (time.next()?.ok()?, time.next()?.ok()?, time.next()?.ok()?);
    let is_moment = (1..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && [(hour, 24.0), (minute, 60.0), (second, 61.0)]
            .iter()
            .all(|(value, end)| (0.0..*end).contains(value));
    is_moment.then(|| days(year, month, day) * 86_400 + (hour * 3_600.0 + minute * 60.0 + second) as i64)
}

/// Days since 1970 in the Gregorian calendar; the year begins in March, so that a leap day ends it.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a moment, `YYYY-MM-DD`.
pub(super) fn date(moment: i64) -> String {
    let days = moment.div_euclid(86_400) + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_a_calendar() {
        for (moment, since) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2026-11-30T05:45:17Z", 1_796_017_517),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
        ] {
            assert_eq!(seconds(moment), Some(since), "{moment}");
            assert_eq!(date(since), moment[..10], "{moment}");
        }
        for other in ["", "2026-11-30", "2026-13-01T00:00:00Z", "2026-11-30T25:00:00Z", "yesterdayT1:1:1Z"] {
            assert_eq!(seconds(other), None, "{other}");
        }
    }
}
