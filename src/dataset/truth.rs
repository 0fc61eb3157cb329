//! Ground truth that stands beside an image: a class as an index or as a name.

use std::collections::HashMap;

use crate::classes;

/// The model's classes, as a target may name them.
#[derive(Debug, Clone, Default)]
pub struct TargetNames {
    classes: usize,
    /// `None` for a name that several classes share (ImageNet has two cranes).
    by_name: HashMap<String, Option<i32>>,
}

impl TargetNames {
    /// Classes of a model and their names, where it has any.
    pub fn new(classes: usize, names: Option<&[String]>) -> TargetNames {
        let mut by_name: HashMap<String, Option<i32>> = HashMap::new();
        for (name, index) in names.unwrap_or_default().iter().zip(0..) {
            by_name.entry(name.clone()).and_modify(|shared| *shared = None).or_insert(Some(index));
        }
        TargetNames { classes, by_name }
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
        let wnid = || classes::wnid_index(text).filter(|_| self.classes == classes::imagenet_1k().len());
        match (self.by_name.get(text), wnid()) {
            (Some(Some(index)), _) => Ok(Some(*index)),
            (Some(None), _) => Err(format!("`{shown}` is the name of several classes; give an index")),
            (None, Some(index)) => Ok(Some(index as i32)),
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

    /// The class of a name that only one has.
    pub fn named(&self, name: &str) -> Option<i32> {
        self.by_name.get(name).copied().flatten()
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
