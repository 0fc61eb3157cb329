//! FiftyOne: a `FiftyOneImageClassificationDataset`, whose `data.json` names the images where they are, and whose
//! `labels.json` has the findings of each image. Both images of a pair have its finding.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::stored::{Image, StoredFinding};
use super::about::about;
use super::choices::Choices;
use super::places::Places;

/// The samples with their images, and the findings of each.
///
/// # Errors
/// Why an image has no address, with its key.
pub(super) fn files(
    findings: &[StoredFinding],
    places: &Places,
    choices: &Choices,
) -> Result<[String; 2], String> {
    let mut data: BTreeMap<String, String> = BTreeMap::new();
    let mut labels: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for finding in findings {
        let missing = |key: &str, why: String| format!("the image `{key}` has no address: {why}");
        let image = places.image(finding).map_err(|why| missing(&finding.image.key, why))?;
        let own = name("image", &finding.image);
        let other = match &finding.other {
            None => None,
            Some(other) => places.other(finding).map_err(|why| missing(&other.key, why))?,
        };
        let seen = other.as_ref().map(|(other, address)| (other.key.as_str(), address.as_str()));
        labels.entry(own.clone()).or_default().push(label(
            finding,
            ("finding", &finding.image, seen),
            choices,
        ));
        if let Some((other, address)) = &other {
            let of = if finding.kind.is_between() { "other" } else { "image" };
            let sample = name(of, other);
            let seen = Some((finding.image.key.as_str(), image.as_str()));
            labels.entry(sample.clone()).or_default().push(label(finding, ("other", other, seen), choices));
            data.insert(sample, address.clone());
        }
        data.insert(own, image);
    }
    Ok([format!("{}\n", json!(data)), format!("{}\n", json!({ "labels": labels }))])
}

/// The name of a sample: without a dot, since FiftyOne takes what follows one for an ending.
fn name(of: &str, image: &Image) -> String {
    format!("{of}-{:012}", image.row_id)
}

/// A finding as the classification of one of its images; `seen` is its other image.
fn label(
    finding: &StoredFinding,
    (role, image, seen): (&str, &Image, Option<(&str, &str)>),
    choices: &Choices,
) -> Value {
    let mut attributes = Map::new();
    attributes.insert("role".into(), role.into());
    attributes.insert("rank".into(), finding.rank.into());
    attributes.insert("score".into(), finding.score.into());
    attributes.insert("about".into(), about(finding, choices).into());
    attributes.insert("key".into(), image.key.as_str().into());
    attributes.insert("row_id".into(), image.row_id.into());
    if let Some((key, filepath)) = seen {
        attributes.insert("other_key".into(), key.into());
        attributes.insert("other_filepath".into(), filepath.into());
    }
    if role == "finding" {
        for (name, class) in [("target", finding.target), ("proposed", finding.proposed)] {
            if let Some(class) = class {
                attributes.insert(name.into(), class.into());
                attributes.insert(format!("{name}_label"), choices.name(class).into());
            }
        }
    }
    attributes.extend(finding.group.map(|group| ("group".to_owned(), group.into())));
    json!({ "label": finding.kind.as_str(), "attributes": attributes })
}
