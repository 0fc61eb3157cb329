//! What the labels of a Parquet file mean: its own classes, or the model's.

use serde::Deserialize;

use crate::dataset::TargetNames;
use crate::sample::Target;

/// The footer key under which Hugging Face keeps its features.
pub(super) const FEATURES: &str = "huggingface";

/// What the numbers of a file's label column mean.
#[derive(Debug, Clone)]
pub struct Labels {
    names: TargetNames,
    /// Model class of each of the file's own classes, where the file names them.
    own: Option<Vec<i32>>,
}

impl Labels {
    /// Reads the file's class names, if it has any: those that are all the model's mean its classes, whatever
    /// their order. Other names are taken by their position, if there are as many as classes.
    ///
    /// # Errors
    /// Where they cannot be the model's classes.
    pub(super) fn of(features: Option<&str>, column: &str, names: &TargetNames) -> Result<Labels, String> {
        let own = features.and_then(|json| class_names(json, column));
        let Some(own) = own else { return Ok(Labels { names: names.clone(), own: None }) };
        let all: Result<Vec<i32>, &String> = own.iter().map(|name| names.named(name).ok_or(name)).collect();
        match all {
            Ok(all) => Ok(Labels { names: names.clone(), own: Some(all) }),
            Err(_) if own.len() == names.classes() => Ok(Labels { names: names.clone(), own: None }),
            Err(unknown) => Err(format!(
                "it has {} classes, the model has {}, and its class `{unknown}` is none of the model's; give \
                 `[input] classes`, or set `[input] targets = \"none\"`",
                own.len(),
                names.classes()
            )),
        }
    }

    /// The class of a number; −1 is none.
    pub(super) fn of_number(&self, label: i64) -> Result<Option<i32>, String> {
        match &self.own {
            _ if label == -1 => Ok(None),
            None => self.names.index(label).map(Some),
            Some(own) => {
                let class = usize::try_from(label).ok().and_then(|label| own.get(label));
                let class =
                    class.ok_or_else(|| format!("{label} is none of the file's {} classes", own.len()))?;
                Ok(Some(*class))
            }
        }
    }

    /// The target that a number means.
    pub(super) fn target_of_number(&self, label: i64) -> Result<Option<Target>, String> {
        Ok(self.of_number(label)?.map(|class| self.names.one(class)))
    }

    /// The target that a float means: that of a whole number.
    pub(super) fn target_of_float(&self, label: f64) -> Result<Option<Target>, String> {
        /// Every whole number up to here is a float.
        const LARGEST: f64 = 9_007_199_254_740_992.0;
        match label {
            label if label.is_nan() => Ok(None),
            label if label.fract() == 0.0 && label.abs() <= LARGEST => self.target_of_number(label as i64),
            label => Err(format!("{label} is no class: it is no whole number")),
        }
    }

    /// The target that a text means.
    pub(super) fn target_of_text(&self, label: &str) -> Result<Option<Target>, String> {
        self.names.target(label)
    }

    /// The target that a list means, by its text in JSON: of numbers as the file counts its classes, or of names.
    pub(super) fn target_of_list(&self, list: &str) -> Result<Option<Target>, String> {
        let numbers = match (&self.own, serde_json::from_str::<Vec<i64>>(list)) {
            (Some(_), Ok(numbers)) if self.names.has_sets() => numbers,
            _ => return self.names.target(list),
        };
        let class =
            |number: i64| self.of_number(number)?.ok_or_else(|| "-1 in a list is no class".to_owned());
        Ok(Some(Target::set(numbers.into_iter().map(class).collect::<Result<Vec<i32>, String>>()?)))
    }
}

fn class_names(json: &str, column: &str) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Metadata {
        info: Info,
    }
    #[derive(Deserialize)]
    struct Info {
        features: serde_json::Map<String, serde_json::Value>,
    }
    let metadata: Metadata = serde_json::from_str(json).ok()?;
    let feature = metadata.info.features.get(column)?;
    // a list of classes has them one deeper
    let names = feature.get("names").or_else(|| feature.get("feature")?.get("names"))?.as_array()?;
    names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_own_class_names_are_believed_before_its_numbers() {
        let names = ["dog", "cat", "cow"].map(str::to_owned);
        let model = TargetNames::new(3, Some(&names));
        let features =
            |names: &str| format!(r#"{{"info": {{"features": {{"label": {{"names": {names}}}}}}}}}"#);
        let labels = Labels::of(Some(&features(r#"["cat", "dog"]"#)), "label", &model).unwrap();
        assert_eq!([-1, 0, 1].map(|label| labels.of_number(label).unwrap()), [None, Some(1), Some(0)]);
        assert!(labels.of_number(2).unwrap_err().contains("2 classes"));
        let sets =
            Labels::of(Some(&features(r#"["cat", "dog"]"#)), "label", &model.clone().with_sets()).unwrap();
        assert_eq!(sets.target_of_list("[0, 1]"), Ok(Some(Target::set([1, 0]))));
        assert_eq!(sets.target_of_list(r#"["cow"]"#), Ok(Some(Target::set([2]))));
        assert!(sets.target_of_list("[-1]").unwrap_err().contains("-1"));
        assert!(labels.target_of_list("[0, 1]").unwrap_err().contains("sigmoid"));
        let by_position = Labels::of(Some(&features(r#"["a", "b", "c"]"#)), "label", &model).unwrap();
        assert_eq!(by_position.of_number(2), Ok(Some(2)));
        assert!(Labels::of(Some(&features(r#"["a", "b"]"#)), "label", &model).unwrap_err().contains("`a`"));
        let without = Labels::of(None, "label", &model).unwrap();
        assert!(without.of_number(3).unwrap_err().contains("0 to 2"));
        assert_eq!(without.target_of_float(2.0), Ok(Some(Target::Class(2))));
        assert_eq!([-1.0, f64::NAN].map(|label| without.target_of_float(label)), [Ok(None), Ok(None)]);
        assert!(without.target_of_float(1.5).unwrap_err().contains("1.5"));
        let wnids = Labels::of(
            Some(&features(r#"["n07932039", "n01440764"]"#)),
            "label",
            &TargetNames::new(1000, None),
        );
        assert_eq!(wnids.unwrap().of_number(0), Ok(Some(969)));
    }
}
