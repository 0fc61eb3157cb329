//! Classes as the choices of a review.

use std::collections::HashSet;

/// Classes of which a project offers each one.
const MOST: usize = 10_000;

/// A text for each class; no two classes have the same one.
#[derive(Debug)]
pub(crate) struct Choices(Vec<String>);

impl Choices {
    /// For a model of `count` classes with these names. A model of more than 10,000 classes has no choices.
    pub fn new(names: Option<&[String]>, count: usize) -> Choices {
        if count > MOST {
            return Choices(Vec::new());
        }
        let mut taken = HashSet::new();
        let choice = |class: usize| {
            let name = names.and_then(|names| names.get(class)).map(|name| plain(name));
            let mut choice = name.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("class {class}"));
            while !taken.insert(choice.clone()) {
                choice = format!("{choice} (class {class})");
            }
            choice
        };
        Choices((0..count).map(choice).collect())
    }

    /// All of them, in the order of the classes.
    pub fn all(&self) -> &[String] {
        &self.0
    }

    /// The choice of a class, if there is one.
    pub fn get(&self, class: u32) -> Option<&str> {
        self.0.get(class as usize).map(String::as_str)
    }

    /// The text of a class, also if there are no choices.
    pub fn name(&self, class: u32) -> String {
        self.get(class).map_or_else(|| format!("class {class}"), str::to_owned)
    }
}

/// A text without signs that an XML file cannot have, or that its readers turn into spaces.
fn plain(text: &str) -> String {
    let plain = |sign: char| match sign {
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        sign if sign.is_control() => ' ',
        sign => sign,
    };
    let text: String = text.chars().map(plain).collect();
    text.trim_end().trim_start_matches(|sign: char| sign == '$' || sign.is_whitespace()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_with_one_name_have_different_choices_and_those_without_have_their_number() {
        let names = ["crane", "", "crane", "a\nb\u{1}", "crane (class 2)", "$ x"].map(str::to_owned);
        let choices = Choices::new(Some(&names), 7);
        let expected =
            ["crane", "class 1", "crane (class 2)", "a b", "crane (class 2) (class 4)", "x", "class 6"];
        assert_eq!(choices.all(), expected);
        assert_eq!((choices.get(7), choices.name(7)), (None, "class 7".to_owned()));
        assert!(Choices::new(None, MOST + 1).all().is_empty());
    }
}
