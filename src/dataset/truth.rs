//! Ground truth that is stored beside an image: a class as an index or as a name.

use std::collections::HashMap;

use serde_json::Value as Json;

use crate::classes;
use crate::sample::Target;

/// The model's classes, as a target may name them.
#[derive(Debug, Clone, Default)]
pub struct TargetNames {
    classes: usize,
    /// `None` for a name that several classes share (ImageNet has two cranes).
    by_name: HashMap<String, Option<i32>>,
    /// Targets are sets: an image may have several classes, or none.
    sets: bool,
    /// A float without a fraction is an index too.
    whole_floats: bool,
}

impl TargetNames {
    /// Classes of a model and their names, where it has any.
    pub fn new(classes: usize, names: Option<&[String]>) -> TargetNames {
        let mut by_name: HashMap<String, Option<i32>> = HashMap::new();
        for (name, index) in names.unwrap_or_default().iter().zip(0..) {
            by_name.entry(name.clone()).and_modify(|shared| *shared = None).or_insert(Some(index));
        }
        TargetNames { classes, by_name, sets: false, whole_floats: false }
    }

    /// The same where targets are sets of classes.
    pub fn with_sets(self) -> TargetNames {
        TargetNames { sets: true, ..self }
    }

    /// The same where a float without a fraction (`3.0`) is an index, unless a class is called so.
    pub fn with_whole_floats(self) -> TargetNames {
        TargetNames { whole_floats: true, ..self }
    }

    /// Whether targets are sets of classes.
    pub fn has_sets(&self) -> bool {
        self.sets
    }

    /// The target that a text means: a class, or where targets are sets a list of them: `1;5`, `dog;cat`, or in
    /// JSON `[1, "dog"]`, and `[]` for an image without any. Nothing is no target.
    ///
    /// # Errors
    /// What is wrong with it, in words that begin with it.
    pub fn target(&self, text: &str) -> Result<Option<Target>, String> {
        let text = text.trim();
        if text.starts_with('[')
            && let Ok(Json::Array(items)) = serde_json::from_str(text)
        {
            return self.target_of(&Json::Array(items));
        }
        if !self.by_name.contains_key(text) && text.contains(';') {
            if !self.sets {
                return Err(self.several(text.split(';').count()));
            }
            let each = text.split(';').filter_map(|part| self.of(part).transpose());
            return Ok(Some(Target::set(each.collect::<Result<Vec<i32>, String>>()?)));
        }
        Ok(self.of(text)?.map(|class| self.one(class)))
    }

    /// As [`TargetNames::target`], of a value of JSON.
    ///
    /// # Errors
    /// What is wrong with it, in words that begin with it.
    pub fn target_of(&self, value: &Json) -> Result<Option<Target>, String> {
        match value {
            Json::Null => Ok(None),
            Json::String(text) => self.target(text),
            Json::Array(items) if self.sets => {
                let class = |item: &Json| {
                    let text = match item {
                        Json::String(text) => text.clone(),
                        other => other.to_string(),
                    };
                    self.of(&text)?.ok_or_else(|| format!("{value} holds an item that is empty"))
                };
                Ok(Some(Target::set(items.iter().map(class).collect::<Result<Vec<i32>, String>>()?)))
            }
            Json::Array(items) => Err(self.several(items.len())),
            other => self.target(&other.to_string()),
        }
    }

    /// One class, as this job's targets are.
    pub fn one(&self, class: i32) -> Target {
        if self.sets { Target::set([class]) } else { Target::Class(class) }
    }

    /// The error for a list where an image has one class.
    pub fn several(&self, found: usize) -> String {
        format!(
            "a list of {found} classes, but an image has one class here; for several set `[output] activation = \
             \"sigmoid\"`"
        )
    }

    /// The class that a text means: a whole number is an index, anything else a name. Nothing is no target.
    ///
    /// # Errors
    /// What is wrong with it, in words that begin with it.
    pub fn of(&self, text: &str) -> Result<Option<i32>, String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        if let Ok(index) = text.parse::<i64>() {
            return self.index(index).map(Some);
        }
        let shown: String = text.chars().take(80).collect();
        match (self.by_name.get(text), self.wnid(text)) {
            (Some(Some(index)), _) => Ok(Some(*index)),
            (Some(None), _) => Err(format!("`{shown}` is the name of several classes; give an index")),
            (None, Some(index)) => Ok(Some(index)),
            (None, None) if self.whole_floats && float(text).is_some() => match whole(text) {
                Some(index) => self.index(index).map(Some),
                None => Err(format!("`{shown}` is no whole number; a class is an index or a name")),
            },
            (None, None) if self.by_name.is_empty() => {
                Err(format!("`{shown}` is no index, and the model has no class names; set `[input] classes`"))
            }
            (None, None) => Err(format!("`{shown}` is none of the model's {} class names", self.classes)),
        }
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The class of a name that only one has, or of a WordNet id where the model has ImageNet's 1000 classes.
    pub fn named(&self, name: &str) -> Option<i32> {
        self.by_name.get(name).copied().flatten().or_else(|| self.wnid(name))
    }

    fn wnid(&self, name: &str) -> Option<i32> {
        let index = classes::wnid_index(name).filter(|_| self.classes == classes::imagenet_1k().len())?;
        i32::try_from(index).ok()
    }

    /// A class by its index.
    ///
    /// # Errors
    /// Where the model has no such class.
    pub fn index(&self, index: i64) -> Result<i32, String> {
        match i32::try_from(index) {
            Ok(class) if class >= 0 && (class as usize) < self.classes => Ok(class),
            _ => Err(format!(
                "{index} is no class: the model has {} (0 to {})",
                self.classes,
                self.classes.saturating_sub(1)
            )),
        }
    }
}

/// A number as floats are written: digits with a point or an exponent.
fn float(text: &str) -> Option<f64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let number: f64 = text.parse().ok().filter(|_| is_number)?;
    number.is_finite().then_some(number)
}

/// The index that a float without a fraction is.
fn whole(text: &str) -> Option<i64> {
    /// Every whole number up to here is a float.
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    float(text).filter(|number| number.fract() == 0.0 && number.abs() <= LARGEST).map(|number| number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_without_a_fraction_is_an_index_where_that_is_read() {
        let names = ["dog", "2.0", "cow", "e"].map(str::to_owned);
        let strict = TargetNames::new(4, Some(&names));
        let targets = strict.clone().with_whole_floats();
        for (text, class) in [("3.0", 3), (" 0.0", 0), ("3.", 3), ("3e0", 3), ("2.0", 1), ("e", 3)] {
            assert_eq!(targets.of(text), Ok(Some(class)), "{text}");
        }
        for (text, words) in [
            ("3.5", "`3.5` is no whole number"),
            ("7.0", "7 is no class"),
            ("-1.0", "-1 is no class"),
            ("1e300", "no whole number"),
            ("inf", "none of"),
            ("nan", "none of"),
        ] {
            assert!(targets.of(text).unwrap_err().contains(words), "{text}");
        }
        assert!(strict.of("3.0").unwrap_err().contains("none of"));
        assert!(strict.of("2.0").is_ok());
        let sets = targets.with_sets();
        assert_eq!(sets.target("3.0;0").unwrap().unwrap().classes(), [0, 3]);
        assert_eq!(sets.target("[3.0, 0.0]").unwrap().unwrap().classes(), [0, 3]);
    }

    #[test]
    fn a_target_is_an_index_or_a_name_and_anything_else_says_what_it_is() {
        let names = ["dog", "crane", "cow", "crane"].map(str::to_owned);
        let targets = TargetNames::new(4, Some(&names));
        for (text, class) in [("3", Some(3)), (" dog\n", Some(0)), ("", None), ("0", Some(0))] {
            assert_eq!(targets.of(text), Ok(class), "{text}");
        }
        for (text, word) in [("4", "0 to 3"), ("-1", "0 to 3"), ("crane", "several"), ("ant", "none of")] {
            assert!(targets.of(text).unwrap_err().contains(word), "{text}");
        }
        assert!(TargetNames::new(4, None).of("dog").unwrap_err().contains("no class names"));
        assert_eq!(TargetNames::new(1000, None).of("n01440764"), Ok(Some(0)));
    }

    #[test]
    fn a_list_is_a_set_where_several_classes_may_be_there_and_refused_elsewhere() {
        let names = ["dog", "crane", "cow", "a;b"].map(str::to_owned);
        let one = TargetNames::new(4, Some(&names));
        let sets = one.clone().with_sets();
        for (text, classes) in [
            ("2", Some(&[2][..])),
            ("cow; 0;0", Some(&[0, 2])),
            ("[1, \"dog\"]", Some(&[0, 1])),
            ("[]", Some(&[])),
            ("a;b", Some(&[3])),
            ("", None),
        ] {
            let found = sets.target(text).unwrap();
            assert_eq!(found.as_ref().map(Target::classes), classes, "{text}");
            assert!(found.is_none_or(|target| target.class().is_none()), "{text}");
        }
        for (text, word) in
            [("1;9", "9 is no class"), ("[true]", "`true`"), ("[[1]]", "`[1]`"), ("[\"\"]", "empty")]
        {
            assert!(sets.target(text).unwrap_err().contains(word), "{text}");
        }
        assert_eq!(one.target("2"), Ok(Some(Target::Class(2))));
        assert!(one.target("[1, 2]").unwrap_err().contains("sigmoid"));
        assert!(one.target("1;2").unwrap_err().contains("2 classes"));
        assert_eq!(one.target("a;b"), Ok(Some(Target::Class(3))));
        assert_eq!(one.target_of(&Json::Null), Ok(None));
    }
}
