//! The time of day, as files and logs have it.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// This moment in UTC, RFC 3339, whole seconds.
pub fn now() -> String {
    let now = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    now.format(&Rfc3339).unwrap_or_default()
}
