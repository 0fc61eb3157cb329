//! Text from a file, made fit for a message.

/// A value for a message: at most 80 characters of it, control characters escaped.
pub(super) fn shorten(value: &str) -> String {
    let mut short: String = value.chars().take(80).collect::<String>().escape_debug().collect();
    if value.chars().nth(80).is_some() {
        short.push('…');
    }
    short
}
