//! Names that come from a hub or from an address: checked before one of them becomes a path or a part of a URL.

/// Bytes of one name between slashes, as file systems limit it.
const LONGEST_PART: usize = 255;
/// Bytes of a name with its slashes.
const LONGEST: usize = 1024;
/// Characters of each half of a repository's name.
const LONGEST_ID: usize = 96;
/// Names in one error message.
const LISTED: usize = 12;

/// True for a relative path that stays in its folder: no empty part, no `.` or `..`, no control character.
pub(super) fn is_relative(name: &str) -> bool {
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= LONGEST_PART;
    let is_letter = |letter: char| !letter.is_control() && letter != '\\';
    name.len() <= LONGEST && name.split('/').all(is_part) && name.chars().all(is_letter)
}

/// True for a commit: 40 lower-case hexadecimal digits.
pub(super) fn is_commit(text: &str) -> bool {
    is_hex(text, 40)
}

/// True for `digits` lower-case hexadecimal digits.
pub(super) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// True for one half of `org/name`.
pub(super) fn is_id(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let bytes = text.as_bytes();
    text.len() <= LONGEST_ID
        && bytes.iter().all(|byte| is_letter(*byte))
        && is_edge(bytes.first())
        && is_edge(bytes.last())
        && !text.contains("--")
        && !text.contains("..")
}

/// The known name that is nearest to what was typed, if one is near.
pub(super) fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.into_iter().map(|name| (strsim::normalized_damerau_levenshtein(typed, name), name));
    let best = scored.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 >= 0.6).then_some(best.1)
}

/// A name for a message: in quotes, shortened, without control characters.
pub(super) fn shown(name: &str) -> String {
    let mut short: String = name.chars().take(120).collect::<String>().escape_debug().collect();
    if name.chars().nth(120).is_some() {
        short.push('…');
    }
    format!("`{short}`")
}

/// Several names for a message; those beyond the first are counted.
pub(super) fn listed(names: &[String]) -> String {
    let mut text = names.iter().take(LISTED).map(|name| shown(name)).collect::<Vec<_>>().join(", ");
    if names.len() > LISTED {
        text.push_str(&format!(" and {} more", names.len() - LISTED));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_folder() {
        for name in ["model.safetensors", "onnx/model.onnx", "a b/ü.bin", "..a", "refs/pr/1"] {
            assert!(is_relative(name), "{name}");
        }
        let long = "x".repeat(256);
        let deep = "a/".repeat(600);
        for name in [
            "",
            "/etc/passwd",
            "../x",
            "a/../x",
            "a//b",
            "a/.",
            "a/",
            "a\\..\\b",
            "a\nb",
            "a\0",
            &long,
            &deep,
        ] {
            assert!(!is_relative(name), "{name:?}");
        }
    }

    #[test]
    fn ids_and_commits_have_the_letters_that_the_hub_allows() {
        for id in ["timm", "tresnet_m.miil_in21k_ft_in1k", "_a", "A-1"] {
            assert!(is_id(id), "{id}");
        }
        for id in ["", "..", ".", "a..b", "a--b", "-a", "a.", "a/b", "a b", "é"] {
            assert!(!is_id(id), "{id}");
        }
        assert!(is_commit(&"0f".repeat(20)));
        assert!(!is_commit("main") && !is_commit(&"0F".repeat(20)) && !is_commit(&"0f".repeat(21)));
    }

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        let known = ["model.safetensors", "pytorch_model.bin"];
        assert_eq!(nearest("model.safetensor", known), Some("model.safetensors"));
        assert_eq!(nearest("weights.onnx", known), None);
    }
}
