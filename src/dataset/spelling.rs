//! Spellings of a key under which an object is not found although it is there: backslashes, spaces at the ends of names,
//! and the other of Unicode's two normal forms.

/// Letters beyond the Latin ones that have a decomposed form and are common in file names.
const COMPOSED: &str = "ЙйЁёЇїЎўЃѓЌќ\
    がぎぐげござじずぜぞだぢづでどばびぶべぼぱぴぷぺぽゔ\
    ガギグゲゴザジズゼゾダヂヅデドバビブベボパピプペポヴ\
    ΆΈΉΊΌΎΏΐΪΫάέήίΰϊϋόύώ";

/// Latin letters between U+00C0 and U+017F that have no decomposed form.
const WHOLE: &str = "Æ×ÐØÞßæð÷øþĐđĦħıĲĳĸĿŀŁłŉŊŋŒœŦŧſ";

/// What about the spelling of a key may be the reason why there is no such object, as a sentence without its end.
pub(super) fn hint(key: &str) -> Option<&'static str> {
    if key.contains('\\') {
        Some("the key has a backslash, which does not separate folders here: write `/`")
    } else if key.chars().any(is_mark) {
        Some(
            "the key has letters with separate combining marks (Unicode form NFD), and the object's name may have \
             composed letters (NFC): write the name as the input's listing has it",
        )
    } else if key.chars().any(is_composed) {
        Some(
            "the key has composed letters (Unicode form NFC), and the object's name may have separate combining marks \
             (NFD): write the name as the input's listing has it",
        )
    } else if key.split('/').any(|part| part != part.trim()) {
        Some("a name in the key begins or ends with a space: remove it, unless the object's name has it")
    } else {
        None
    }
}

/// A mark that is composed with the letter before it.
fn is_mark(letter: char) -> bool {
    matches!(letter,
        '\u{300}'..='\u{36f}'
        | '\u{1161}'..='\u{11ff}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{3099}' | '\u{309a}')
}

/// A letter that has a decomposed form.
fn is_composed(letter: char) -> bool {
    match letter {
        '\u{c0}'..='\u{17f}' => !WHOLE.contains(letter),
        '\u{1e00}'..='\u{1eff}' | '\u{ac00}'..='\u{d7a3}' => true,
        _ => COMPOSED.contains(letter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_suspected_of_what_can_be_another_spelling() {
        for (key, words) in [
            ("sub dir\\x y.jpg", Some("backslash")),
            ("cafe\u{301}.jpg", Some("(Unicode form NFD)")),
            ("か\u{3099}.jpg", Some("(Unicode form NFD)")),
            ("caf\u{e9}.jpg", Some("(Unicode form NFC)")),
            ("\u{304c}.jpg", Some("(Unicode form NFC)")),
            ("한.jpg", Some("(Unicode form NFC)")),
            ("Straße/日本.jpg", None),
            ("a b.jpg", None),
            (" a.jpg ", Some("ends with a space")),
            ("a /b.jpg", Some("ends with a space")),
        ] {
            match (hint(key), words) {
                (Some(found), Some(words)) => assert!(found.contains(words), "{key}: {found}"),
                (found, words) => assert_eq!(found, words, "{key}"),
            }
        }
    }
}
