//! Ground truth of a folder of folders: which class each immediate subfolder is.
//!
//! Three conventions exist and disagree (torchvision's, timm's, Hugging Face's); ours is torchvision's, except
//! that ImageNet wnids keep their fixed index and a model's own class names are believed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::classes;

use super::DatasetError;

/// Which rule gave the targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FolderRule {
    /// Folder names are ImageNet-1k wnids: the fixed index, so that a subset is scored right.
    ImagenetWnid,
    /// Folder names are all among the model's class names.
    ModelClasses,
    /// Code point order of the folder names, as torchvision counts.
    Codepoint,
}

impl FolderRule {
    /// The spelling in job.json and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            FolderRule::ImagenetWnid => "imagenet-wnid",
            FolderRule::ModelClasses => "model-classes",
            FolderRule::Codepoint => "codepoint",
        }
    }
}

/// The frozen mapping from immediate subfolder to class index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderTargets {
    /// The rule that was used.
    pub rule: FolderRule,
    /// Folder name → class index.
    pub folders: BTreeMap<String, i32>,
}

impl FolderTargets {
    /// Applies the rules to the names of the folders that hold images, sorted or not.
    ///
    /// # Errors
    /// Where no rule gives targets that mean the model's classes.
    pub fn choose(
        uri: &str,
        folders: &[String],
        model_classes: Option<&[String]>,
        class_count: usize,
    ) -> Result<FolderTargets, DatasetError> {
        let mut names: Vec<&str> = folders.iter().map(String::as_str).collect();
        names.sort_unstable();
        if class_count == classes::imagenet_1k().len()
            && let Some(folders) =
                all_indices(&names, |name| classes::wnid_index(name).map(|index| index as i32))
        {
            return Ok(FolderTargets { rule: FolderRule::ImagenetWnid, folders });
        }
        // a name that stands twice (ImageNet has two cranes) means no class
        let mut by_name: BTreeMap<&str, i32> = BTreeMap::new();
        let mut twice: BTreeSet<&str> = BTreeSet::new();
        for (name, index) in model_classes.unwrap_or_default().iter().map(String::as_str).zip(0..) {
            if by_name.insert(name, index).is_some() {
                twice.insert(name);
            }
        }
        by_name.retain(|name, _| !twice.contains(name));
        if let Some(folders) = all_indices(&names, |name| by_name.get(name).copied()) {
            return Ok(FolderTargets { rule: FolderRule::ModelClasses, folders });
        }
        if names.len() == class_count {
            let folders = names.iter().map(|name| (*name).to_owned()).zip(0..).collect();
            return Ok(FolderTargets { rule: FolderRule::Codepoint, folders });
        }
        if names.is_empty() {
            return Err(DatasetError::NoFolders { uri: uri.to_owned() });
        }
        let unknown = names.iter().find(|name| !by_name.contains_key(*name)).copied().unwrap_or("(none)");
        Err(DatasetError::Classes {
            uri: uri.to_owned(),
            folders: names.len(),
            classes: class_count,
            unknown: unknown.to_owned(),
        })
    }

    /// The class of an image by its key: that of its first folder, if it is one that was seen.
    pub fn target(&self, key: &str) -> Option<i32> {
        let (folder, _) = key.split_once('/')?;
        self.folders.get(folder).copied()
    }
}

fn all_indices(names: &[&str], index: impl Fn(&str) -> Option<i32>) -> Option<BTreeMap<String, i32>> {
    if names.is_empty() {
        return None;
    }
    names.iter().map(|name| Some(((*name).to_owned(), index(name)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_subset_of_imagenet_wnids_keeps_its_fixed_indices() {
        let folders = names(&["n07932039", "n01440764"]);
        let targets = FolderTargets::choose("in", &folders, None, 1000).unwrap();
        assert_eq!(targets.rule, FolderRule::ImagenetWnid);
        assert_eq!(targets.target("n01440764/x.JPEG"), Some(0));
        assert_eq!(targets.target("n07932039/deep/x.JPEG"), Some(969));
    }

    #[test]
    fn names_of_the_models_classes_win_over_their_order() {
        let targets =
            FolderTargets::choose("in", &names(&["cat", "dog"]), Some(&names(&["dog", "cat", "cow"])), 3)
                .unwrap();
        assert_eq!(targets.rule, FolderRule::ModelClasses);
        assert_eq!((targets.target("dog/1.jpg"), targets.target("cat/1.jpg")), (Some(0), Some(1)));
    }

    #[test]
    fn a_name_that_two_classes_share_is_no_target() {
        let classes = names(&["crane", "crane", "cow"]);
        assert!(FolderTargets::choose("in", &names(&["crane", "cow"]), Some(&classes), 3).is_err());
    }

    #[test]
    fn other_names_count_in_code_point_order() {
        let targets = FolderTargets::choose("in", &names(&["b", "B", "é"]), None, 3).unwrap();
        assert_eq!(targets.rule, FolderRule::Codepoint);
        assert_eq!(targets.target("B/1.jpg"), Some(0));
        assert_eq!(targets.target("é/1.jpg"), Some(2));
        assert_eq!(targets.target("at_the_root.jpg"), None);
        assert_eq!(targets.target("new/1.jpg"), None);
    }

    #[test]
    fn folders_that_cannot_be_the_models_classes_are_refused() {
        let error =
            FolderTargets::choose("in", &names(&["a", "b"]), Some(&names(&["a", "x", "y"])), 3).unwrap_err();
        assert!(error.to_string().contains("`b`"), "{error}");
    }
}
