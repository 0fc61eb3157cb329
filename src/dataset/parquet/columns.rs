//! Which columns of a Parquet file are the image, its class and what is carried.

use arrow::datatypes::{DataType, Schema};
use serde::Deserialize;

use crate::dataset::{CarriedColumn, TargetNames};
use crate::sample::Target;

/// Names under which the class may stand.
const TARGET_COLUMNS: [&str; 4] = ["label", "target", "labels", "targets"];
/// The footer key under which Hugging Face keeps its features.
pub(super) const FEATURES: &str = "huggingface";

/// The columns of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    pub image: String,
    pub target: Option<String>,
}

impl Columns {
    /// Finds them, or says what was found instead.
    pub fn find(schema: &Schema, targets: bool, carried: &[CarriedColumn]) -> Result<Columns, String> {
        let images: Vec<&str> = schema
            .fields()
            .iter()
            .filter(|field| is_image(field.data_type()))
            .map(|field| field.name().as_str())
            .collect();
        let names = || {
            schema.fields().iter().map(|field| format!("`{}`", field.name())).collect::<Vec<_>>().join(", ")
        };
        let image = match images[..] {
            [only] => only,
            _ if images.contains(&"image") => "image",
            [] => {
                return Err(format!(
                    "it has no column of images (a struct of `bytes` and `path`); its columns are {}",
                    names()
                ));
            }
            _ => {
                return Err(format!(
                    "it has several columns of images ({images:?}) and none is called `image`"
                ));
            }
        };
        let target = TARGET_COLUMNS.into_iter().find(|name| schema.field_with_name(name).is_ok());
        if targets && target.is_none() {
            return Err(format!(
                "it has no column `label`, `target`, `labels` or `targets`; its columns are {}",
                names()
            ));
        }
        for column in carried {
            let field = schema.field_with_name(&column.name);
            let field = field.map_err(|_| {
                format!("`input.carry_columns` names `{}`, but its columns are {}", column.name, names())
            })?;
            let kind = CarriedColumn::of(&column.name, field.data_type());
            if kind.as_ref() != Some(column) {
                return Err(format!(
                    "its column `{}` is {}, which is not {} as in the first file, or cannot be carried",
                    column.name,
                    field.data_type(),
                    column.kind()
                ));
            }
        }
        let target = target.filter(|_| targets).map(str::to_owned);
        Ok(Columns { image: image.to_owned(), target })
    }

    /// All that are read.
    pub fn wanted<'a>(&'a self, carried: &'a [CarriedColumn]) -> Vec<&'a str> {
        let target = self.target.iter().map(String::as_str);
        let carried = carried.iter().map(|column| column.name.as_str());
        [self.image.as_str()].into_iter().chain(target).chain(carried).collect()
    }
}

fn is_image(kind: &DataType) -> bool {
    let DataType::Struct(fields) = kind else { return false };
    let field = |name: &str| fields.iter().find(|field| field.name() == name).map(|field| field.data_type());
    matches!(field("bytes"), Some(DataType::Binary | DataType::LargeBinary))
        && matches!(field("path"), None | Some(DataType::Utf8 | DataType::LargeUtf8 | DataType::Null))
}

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
        let wnids = Labels::of(
            Some(&features(r#"["n07932039", "n01440764"]"#)),
            "label",
            &TargetNames::new(1000, None),
        );
        assert_eq!(wnids.unwrap().of_number(0), Ok(Some(969)));
    }
}
