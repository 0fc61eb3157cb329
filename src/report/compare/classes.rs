//! Checks whether two models have the same classes, and maps the indices of one to those of the other.

use std::collections::HashMap;

use super::super::classes::Classes;
use super::error::CompareError;

/// How B's class indices become A's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClassMatch {
    /// Neither model has classes.
    Without,
    /// The lists are equal.
    Same,
    /// At least one of the two has no names; they have equally many classes, and index is index.
    ByIndex,
    /// The same names in another order: A's index for each of B's.
    ByName(Vec<i32>),
}

impl ClassMatch {
    /// Matches two lists.
    ///
    /// # Errors
    /// They have different numbers of classes, or different names; the error names the first that differs.
    pub fn of(a: &Classes, b: &Classes) -> Result<Self, CompareError> {
        if let Some(side) = [('A', a, b), ('B', b, a)]
            .into_iter()
            .find_map(|(side, none, some)| (none.count() == 0 && some.count() > 0).then_some(side))
        {
            let why = format!(
                "{side}'s model gives an embedding and no classes, and the other one classes: compare two of a kind"
            );
            return Err(CompareError::Classes(why));
        }
        if a.count() != b.count() {
            let why = format!("A's model has {} classes and B's {}", a.count(), b.count());
            return Err(CompareError::Classes(why));
        }
        if a.count() == 0 {
            return Ok(Self::Without);
        }
        let (Classes::Named(ours), Classes::Named(theirs)) = (a, b) else {
            return Ok(if matches!((a, b), (Classes::Count(_), Classes::Count(_))) {
                Self::Same
            } else {
                Self::ByIndex
            });
        };
        let Some(first) = (0..ours.len()).find(|&at| ours[at] != theirs[at]) else { return Ok(Self::Same) };
        let index: HashMap<&str, i32> =
            ours.iter().zip(0..).map(|(name, index)| (name.as_str(), index)).collect();
        let mut map = Vec::with_capacity(theirs.len());
        let mut taken = vec![false; ours.len()];
        for name in theirs {
            match index.get(name.as_str()) {
                Some(&at) if !std::mem::replace(&mut taken[at as usize], true) => map.push(at),
                _ => {
                    return Err(CompareError::Classes(format!(
                        "their class lists differ and do not hold the same names once each; class {first} is \
                         `{}` in A and `{}` in B",
                        shown(&ours[first]),
                        shown(&theirs[first])
                    )));
                }
            }
        }
        Ok(Self::ByName(map))
    }

    /// Returns A's index of one of B's; an index of no class is returned unchanged, so that it is reported as such.
    pub fn index(&self, of_b: i32) -> i32 {
        match self {
            Self::ByName(map) => {
                usize::try_from(of_b).ok().and_then(|at| map.get(at)).copied().unwrap_or(of_b)
            }
            _ => of_b,
        }
    }

    /// In words.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Without => "neither model has any",
            Self::Same => "both have the same list",
            Self::ByIndex => "by index: at least one of the models has no class names",
            Self::ByName(_) => "by name: the same names in another order",
        }
    }
}

/// Returns the beginning of a foreign name, on one line.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(80).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Classes {
        Classes::Named(names.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn equal_lists_and_missing_names_go_by_index() {
        assert_eq!(ClassMatch::of(&named(&["a", "b"]), &named(&["a", "b"])).unwrap(), ClassMatch::Same);
        assert_eq!(ClassMatch::of(&Classes::Count(2), &Classes::Count(2)).unwrap(), ClassMatch::Same);
        assert_eq!(ClassMatch::of(&named(&["a", "b"]), &Classes::Count(2)).unwrap(), ClassMatch::ByIndex);
        // names that repeat are no obstacle while the lists are equal
        assert_eq!(
            ClassMatch::of(&named(&["crane", "crane"]), &named(&["crane", "crane"])).unwrap(),
            ClassMatch::Same
        );
    }

    #[test]
    fn the_same_names_in_another_order_are_matched_by_name() {
        let found = ClassMatch::of(&named(&["a", "b", "c"]), &named(&["c", "a", "b"])).unwrap();
        assert_eq!(found, ClassMatch::ByName(vec![2, 0, 1]));
        assert_eq!([0, 1, 2, 7, -1].map(|index| found.index(index)), [2, 0, 1, 7, -1]);
    }

    #[test]
    fn a_model_without_classes_is_compared_with_another_such_one_alone() {
        assert_eq!(ClassMatch::of(&Classes::Count(0), &Classes::Count(0)).unwrap(), ClassMatch::Without);
        for (a, b, side) in [(0, 2, "A's model gives"), (2, 0, "B's model gives")] {
            let text = ClassMatch::of(&Classes::Count(a), &Classes::Count(b)).unwrap_err().to_string();
            assert!(text.contains(side), "{text}");
        }
    }

    #[test]
    fn other_lists_are_refused_with_the_first_difference() {
        for (a, b, expected) in [
            (named(&["a", "b"]), named(&["a"]), "A's model has 2 classes and B's 1"),
            (named(&["a", "b"]), named(&["a", "c"]), "class 1 is `b` in A and `c` in B"),
            (named(&["a", "a", "b"]), named(&["a", "b", "a"]), "class 1 is `a` in A and `b` in B"),
        ] {
            let text = ClassMatch::of(&a, &b).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        }
    }
}
