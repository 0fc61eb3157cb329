//! What a job asks of its shards, and how the texts of a sample describe its images.

use crate::dataset::manifest::json_text;
use crate::dataset::{CarriedColumn, ImageNames, Truth};
use crate::sample::{ErrorKind, RowError, Sample, Value};

use super::rules::ShardRules;
use super::texts::{Asked, Texts, class_in};

/// What a reader of shards needs to know of the job.
#[derive(Debug, Clone)]
pub struct ShardOptions {
    /// The largest image.
    pub max_encoded_bytes: u64,
    /// Where targets come from, if from anywhere.
    pub targets: Option<Truth>,
    /// What is carried from `.json`, or `txt`.
    pub carried: Vec<CarriedColumn>,
    /// The most images of one shard: their rows are one file, encoded in memory.
    pub most_rows: u32,
    /// Which members are images.
    pub image_names: ImageNames,
    /// How members become rows.
    pub rules: ShardRules,
}

impl ShardOptions {
    /// What is asked of the texts of a sample.
    pub(super) fn asked(&self) -> Asked {
        Asked {
            class: self.targets.as_ref().is_some_and(|truth| truth.beside().is_some()),
            columns: self.carried.iter().any(|column| column.name != "txt"),
            txt: self.carried.iter().any(|column| column.name == "txt"),
        }
    }

    /// Reads target and carried columns from the texts beside an image.
    pub(super) fn describe(&self, sample: &mut Sample, texts: &Texts) -> Result<(), RowError> {
        let refuse = |why: String| RowError::new(ErrorKind::Corrupt, why);
        let cls = text("cls", texts.cls.as_ref())?;
        let names = self.targets.as_ref().and_then(Truth::beside);
        let wants_json = names.is_some() && cls.is_none() || !self.carried.is_empty();
        let json: serde_json::Map<String, serde_json::Value> = match text("json", texts.json.as_ref())? {
            Some(json) if wants_json => serde_json::from_str(json)
                .map_err(|error| refuse(format!("the `.json` beside it is no object: {error}")))?,
            _ => serde_json::Map::new(),
        };
        for column in &self.carried {
            sample.carried.push(match json.get(&column.name) {
                None | Some(serde_json::Value::Null) if column.name == "txt" => {
                    text("txt", texts.txt.as_ref())?.map_or(Value::Null, |text| Value::Text(text.to_owned()))
                }
                value => json_text(value),
            });
        }
        let Some(names) = names else { return Ok(()) };
        let target = match (cls, class_in(&json)) {
            (Some(cls), _) => names.target(cls).map_err(|why| format!("the `.cls` beside it: {why}")),
            (None, Some(value)) => {
                names.target_of(value).map_err(|why| format!("the class in the `.json` beside it: {why}"))
            }
            (None, None) => Ok(None),
        };
        sample.target = target.map_err(refuse)?;
        Ok(())
    }
}

/// A text beside an image, if there is one.
fn text<'a>(suffix: &str, bytes: Option<&'a Result<Vec<u8>, String>>) -> Result<Option<&'a str>, RowError> {
    match bytes {
        None => Ok(None),
        Some(Err(why)) => Err(RowError::new(ErrorKind::Limit, why.clone())),
        Some(Ok(bytes)) => std::str::from_utf8(bytes).map(Some).map_err(|_| {
            RowError::new(ErrorKind::Corrupt, format!("the `.{suffix}` beside it is not UTF-8"))
        }),
    }
}
