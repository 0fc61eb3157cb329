//! Ground truth of a folder of folders: which class each immediate subfolder is.
//!
//! Three conventions exist and disagree (torchvision's, timm's, Hugging Face's); ours is torchvision's, except
//! that ImageNet wnids keep their fixed index and a model's own class names are believed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::classes;

use super::DatasetError;

/// Folders that are no class and are named in an error, at most.
const MOST_NAMED: usize = 20;

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
    /// ImageNet-V2: a folder's name is the index.
    ImagenetV2,
    /// ImageNet-A: the wnids of its 200 classes.
    ImagenetA,
    /// ImageNet-R: the wnids of its 200 classes.
    ImagenetR,
}

impl FolderRule {
    /// The spelling in job.json and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            FolderRule::ImagenetWnid => "imagenet-wnid",
            FolderRule::ModelClasses => "model-classes",
            FolderRule::Codepoint => "codepoint",
            FolderRule::ImagenetV2 => "imagenet-v2",
            FolderRule::ImagenetA => "imagenet-a",
            FolderRule::ImagenetR => "imagenet-r",
        }
    }

    /// The class of a folder by its name alone, for the rules that know all names.
    pub fn class_of(self, folder: &str) -> Option<i32> {
        let wnid = || classes::wnid_index(folder).map(|index| index as i32);
        match self {
            FolderRule::ModelClasses | FolderRule::Codepoint => None,
            FolderRule::ImagenetWnid => wnid(),
            FolderRule::ImagenetV2 => {
                let is_number = !folder.is_empty() && folder.bytes().all(|byte| byte.is_ascii_digit());
                folder.parse().ok().filter(|index| is_number && (0..1000).contains(index))
            }
            FolderRule::ImagenetA | FolderRule::ImagenetR => {
                wnid().filter(|index| self.among().is_none_or(|among| among.contains(index)))
            }
        }
    }

    /// The classes among which alone its images are scored, ascending; `None` for all of the model's.
    pub fn among(self) -> Option<&'static [i32]> {
        match self {
            FolderRule::ImagenetA => Some(classes::imagenet_a()),
            FolderRule::ImagenetR => Some(classes::imagenet_r()),
            _ => None,
        }
    }

    fn expects(self) -> &'static str {
        match self {
            FolderRule::ImagenetV2 => "class indices from 0 to 999",
            FolderRule::ImagenetA => "wnids of the 200 classes of ImageNet-A",
            FolderRule::ImagenetR => "wnids of the 200 classes of ImageNet-R",
            _ => "classes",
        }
    }
}

impl FolderTargets {
    /// Applies a rule that knows all names; a folder that it does not know is no class, and refused.
    ///
    /// # Errors
    /// Where there is no folder, or one whose name is no class.
    pub fn by_rule(rule: FolderRule, uri: &str, folders: &[String]) -> Result<FolderTargets, DatasetError> {
        let uri = || uri.to_owned();
        if folders.is_empty() {
            return Err(DatasetError::NoFolders { uri: uri() });
        }
        let class = |name: &String| match rule.class_of(name) {
            Some(class) => Ok((name.clone(), class)),
            None => Err(DatasetError::NoClass { uri: uri(), folder: name.clone(), expected: rule.expects() }),
        };
        Ok(FolderTargets { rule, folders: folders.iter().map(class).collect::<Result<_, _>>()? })
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
        // a name of two classes (ImageNet has two cranes) is no target
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
        let is_named = |name: &str| {
            by_name.contains_key(name)
                || twice.contains(name)
                || class_count == classes::imagenet_1k().len() && classes::wnid_index(name).is_some()
        };
        let others: Vec<&str> = names.iter().copied().filter(|name| !is_named(name)).collect();
        let named = names.len() - others.len();
        if names.len() == class_count && named >= others.len() && !others.is_empty() {
            let unknown = in_quotes(&others);
            return Err(DatasetError::PartlyNamed {
                uri: uri.to_owned(),
                named,
                folders: names.len(),
                unknown,
            });
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

/// The first of some names, and how many more there are.
fn in_quotes(names: &[&str]) -> String {
    let mut shown: Vec<String> =
        names.iter().take(MOST_NAMED).map(|name| format!("`{}`", name.escape_debug())).collect();
    if names.len() > MOST_NAMED {
        shown.push(format!("and {} more", names.len() - MOST_NAMED));
    }
    shown.join(", ")
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
    fn position_counting_is_refused_where_half_of_the_folders_have_names_of_classes() {
        let classes = names(&["a", "b", "c", "d"]);
        let choose = |folders: &[&str]| FolderTargets::choose("in", &names(folders), Some(&classes), 4);
        for folders in [["a", "b", "c", "x"], ["a", "b", "x", "y"]] {
            let error = choose(&folders).unwrap_err().to_string();
            let others = folders.iter().filter(|folder| *folder > &"d");
            for (folder, is_other) in others.map(|folder| (folder, true)).chain([(&"a", false)]) {
                assert_eq!(error.contains(&format!("`{folder}`")), is_other, "{error}");
            }
        }
        // one of four is an accident
        assert_eq!(choose(&["a", "x", "y", "z"]).unwrap().rule, FolderRule::Codepoint);
    }

    #[test]
    fn wnids_are_names_of_the_classes_of_a_model_of_1000() {
        let mut folders: Vec<String> =
            classes::imagenet_1k().iter().skip(1).map(|class| class.wnid.to_owned()).collect();
        folders.push("unsorted".into());
        let error = FolderTargets::choose("in", &folders, None, 1000).unwrap_err().to_string();
        assert!(error.contains("999 of the 1000") && error.contains("`unsorted`"), "{error}");
    }

    #[test]
    fn the_folders_of_v2_are_numbers_and_those_of_a_and_r_are_their_own_200() {
        let v2 = FolderTargets::by_rule(FolderRule::ImagenetV2, "in", &names(&["10", "9", "007"])).unwrap();
        assert_eq!((v2.target("10/x"), v2.target("9/x"), v2.target("007/x")), (Some(10), Some(9), Some(7)));
        for (rule, folder) in [
            (FolderRule::ImagenetV2, "1000"),
            (FolderRule::ImagenetV2, "+1"),
            (FolderRule::ImagenetV2, "n01440764"),
            // a tench is in R and not in A
            (FolderRule::ImagenetA, "n01440764"),
            (FolderRule::ImagenetR, "n99999999"),
        ] {
            let error = FolderTargets::by_rule(rule, "in", &names(&[folder])).unwrap_err().to_string();
            assert!(error.contains(folder) && error.contains("in"), "{error}");
        }
        assert_eq!(FolderRule::ImagenetR.class_of("n01443537"), Some(1));
        assert_eq!(FolderRule::ImagenetA.class_of("n01498041"), Some(6));
    }

    #[test]
    fn folders_that_cannot_be_the_models_classes_are_refused() {
        let error =
            FolderTargets::choose("in", &names(&["a", "b"]), Some(&names(&["a", "x", "y"])), 3).unwrap_err();
        assert!(error.to_string().contains("`b`"), "{error}");
    }
}
