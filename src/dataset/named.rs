//! Where a job's targets come from, as the readers of images see it: from beside an image, or from its name.

use std::sync::Arc;

use crate::sample::Target;

use super::{Convention, FolderRule, FolderTargets, TargetNames, ValidationTruth};

/// Ground truth that is found by an image's name.
#[derive(Debug, Clone)]
pub enum NameTruth {
    /// The class of its first folder, as it was seen or frozen.
    Folders(FolderTargets),
    /// The class of the innermost of its folders that is one by the rule.
    Rule(FolderRule),
    /// By its number in the ImageNet validation set.
    Validation(Arc<ValidationTruth>),
}

impl NameTruth {
    /// The target of an image: of its key, its member's name in a shard, or its path in a Parquet file.
    pub fn of(&self, name: &str) -> Option<Target> {
        match self {
            NameTruth::Folders(folders) => folders.target(name).map(Target::Class),
            NameTruth::Rule(rule) => {
                let (folders, _) = name.rsplit_once('/')?;
                folders.rsplit('/').find_map(|folder| rule.class_of(folder)).map(Target::Class)
            }
            NameTruth::Validation(truth) => truth.target(name),
        }
    }

    /// Whether its targets are sets of classes.
    pub fn has_sets(&self) -> bool {
        matches!(self, NameTruth::Validation(truth) if truth.convention() == Convention::Real)
    }

    /// What an image's name must be to have a target, for a person.
    pub fn expected(&self) -> String {
        match self {
            NameTruth::Folders(_) => "an image is in a class folder".into(),
            NameTruth::Rule(rule) => format!("an image is in a class folder of {}", rule.as_str()),
            NameTruth::Validation(truth) => format!(
                "a name begins `ILSVRC2012_val_` and eight digits that `{}` knows ({} images)",
                truth.uri(),
                truth.images()
            ),
        }
    }
}

/// Where targets come from.
#[derive(Debug, Clone)]
pub enum Truth {
    /// A value stored beside an image: a column, a member of the shard.
    Beside(TargetNames),
    /// The image's name.
    Named(NameTruth),
}

impl Truth {
    /// The classes as they may be named beside an image, where that is looked at.
    pub fn beside(&self) -> Option<&TargetNames> {
        match self {
            Truth::Beside(names) => Some(names),
            Truth::Named(_) => None,
        }
    }

    /// The same where a float without a fraction beside an image is an index, unless a class is called so.
    pub fn with_whole_floats(self) -> Truth {
        match self {
            Truth::Beside(names) => Truth::Beside(names.with_whole_floats()),
            other => other,
        }
    }

    /// Returns the target of an image by its name, or `None` if the name has none.
    pub fn named(&self, name: &str) -> Option<Target> {
        match self {
            Truth::Beside(_) => None,
            Truth::Named(truth) => truth.of(name),
        }
    }

    /// Whether targets are sets of classes.
    pub fn has_sets(&self) -> bool {
        match self {
            Truth::Beside(names) => names.has_sets(),
            Truth::Named(truth) => truth.has_sets(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_folder_that_is_a_class_decides() {
        let v2 = NameTruth::Rule(FolderRule::ImagenetV2);
        for (name, class) in [
            ("imagenetv2/7/x.jpeg", Some(7)),
            ("2019/12/x.jpeg", Some(12)),
            ("12/deep/x.jpeg", Some(12)),
            ("7", None),
            ("a/7", None),
        ] {
            assert_eq!(v2.of(name), class.map(Target::Class), "{name}");
        }
    }
}
