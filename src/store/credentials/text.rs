//! The text of an error of the AWS chain.

use std::error::Error;

use crate::telemetry::redact;

/// More of an error is not quoted.
const LONGEST: usize = 400;
/// The prefix of such a text, which has no information and is cut.
const EMPTY: &str = "an error occurred while loading credentials: ";
/// After these, a text quotes what a program wrote to standard error, a whole answer, or the request that was signed,
/// with its session token.
const QUOTED: [&str; 4] = [". Stderr:", " Response {", "SdkBody {", "The Canonical String"];

/// The text of an error and its causes, without what it quotes of others.
pub(super) fn text_of(error: &(dyn Error + 'static)) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        let line = error.to_string();
        if !text.contains(&line) {
            text = format!("{text}: {line}");
        }
        cause = error.source();
    }
    let end = QUOTED.iter().filter_map(|quoted| text.find(quoted)).min().unwrap_or(text.len());
    let text = redact(text[..end].trim_start_matches(EMPTY));
    text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<std::io::Error>,
    }

    #[test]
    fn causes_follow_and_nothing_is_quoted_of_a_program_or_an_answer() {
        for (text, cause, expected) in [
            ("an error occurred while loading credentials", Some("no entry"), "no entry"),
            ("code 3. Stderr: canary", None, "code 3"),
            ("from IMDS (code: 500). Response { body: canary }", None, "from IMDS (code: 500)."),
            ("no match. The Canonical String is 'x-amz-security-token:canary'", None, "no match. "),
            ("a\nb", Some("a\nb"), "a b"),
        ] {
            let error = Link { text, source: cause.map(std::io::Error::other) };
            assert_eq!(text_of(&error), expected);
        }
    }
}
