//! Label Studio: tasks as JSON, and the labeling configuration of a project as XML. Findings of one image and of pairs are
//! two projects, since a configuration shows the same fields of every task.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::super::stored::StoredFinding;
use super::about::about;
use super::choices::Choices;
use super::places::Places;

/// What made the predictions.
const MODEL: &str = "tresnet-batch audit";
/// Answers to a finding of one image.
const IMAGE_VERDICTS: [&str; 4] = ["label is right", "label is wrong", "remove the image", "unsure"];
/// Answers to a pair.
const PAIR_VERDICTS: [&str; 4] = ["same image", "different images", "remove one", "unsure"];

/// The configuration and the tasks of both projects.
///
/// # Errors
/// Why an image has no address, with its key.
pub(super) fn files(
    findings: &[StoredFinding],
    places: &Places,
    choices: &Choices,
) -> Result<[String; 4], String> {
    let tasks = |of_two: bool| -> Result<String, String> {
        let of_kind = findings.iter().filter(|finding| finding.kind.is_of_two() == of_two);
        let tasks = of_kind.map(|finding| task(finding, places, choices)).collect::<Result<Vec<_>, _>>()?;
        Ok(format!("{}\n", Value::Array(tasks)))
    };
    Ok([image_project(choices), tasks(false)?, pair_project(), tasks(true)?])
}

fn task(finding: &StoredFinding, places: &Places, choices: &Choices) -> Result<Value, String> {
    let missing = |key: &str, why: String| format!("the image `{key}` has no address: {why}");
    let image = places.image(finding).map_err(|why| missing(&finding.image.key, why))?;
    let mut data = Map::new();
    data.insert("image".into(), image.into());
    data.insert("about".into(), about(finding, choices).into());
    data.insert("kind".into(), finding.kind.as_str().into());
    data.insert("rank".into(), finding.rank.into());
    data.insert("score".into(), finding.score.into());
    data.insert("row_id".into(), finding.image.row_id.into());
    data.insert("key".into(), finding.image.key.as_str().into());
    if let Some(other) = &finding.other {
        let place = places.other(finding).map_err(|why| missing(&other.key, why))?;
        data.insert("other_image".into(), place.map(|(_, address)| address).into());
        data.insert("other_row_id".into(), other.row_id.into());
        data.insert("other_key".into(), other.key.as_str().into());
    }
    for (name, class) in [("target", finding.target), ("proposed", finding.proposed)] {
        if let Some(class) = class {
            data.insert(name.into(), class.into());
            data.insert(format!("{name}_label"), choices.name(class).into());
        }
    }
    data.extend(finding.group.map(|group| ("group".to_owned(), group.into())));
    let proposed = finding.proposed.and_then(|class| choices.get(class));
    let proposed = proposed.filter(|_| !finding.kind.is_of_two()).map(|choice| {
        let value = json!({ "choices": [choice] });
        let result = json!([{
            "id": "proposed", "from_name": "class", "to_name": "image", "type": "choices", "value": value,
        }]);
        json!({ "model_version": MODEL, "score": finding.score, "result": result })
    });
    let predictions: Vec<Value> = proposed.into_iter().collect();
    Ok(json!({ "data": data, "predictions": predictions }))
}

fn image_project(choices: &Choices) -> String {
    let mut classes = String::new();
    if !choices.all().is_empty() {
        let open = "<Choices name=\"class\" toName=\"image\" choice=\"single\" layout=\"select\">";
        let _ = writeln!(classes, "  {open}");
        choices.all().iter().for_each(|choice| classes.push_str(&option(choice)));
        classes.push_str("  </Choices>\n");
    }
    format!(
        "<View>\n  <Text name=\"about\" value=\"$about\"/>\n  <Image name=\"image\" value=\"$image\" zoom=\"true\"/>\n\
         {}{classes}</View>\n",
        verdicts(&IMAGE_VERDICTS)
    )
}

fn pair_project() -> String {
    format!(
        "<View>\n  <Text name=\"about\" value=\"$about\"/>\n  <View style=\"display: flex\">\n    \
         <Image name=\"image\" value=\"$image\"/>\n    <Image name=\"other\" value=\"$other_image\"/>\n  </View>\n\
         {}</View>\n",
        verdicts(&PAIR_VERDICTS)
    )
}

fn verdicts(verdicts: &[&str]) -> String {
    let options: String = verdicts.iter().map(|verdict| option(verdict)).collect();
    format!("  <Choices name=\"verdict\" toName=\"image\" choice=\"single\">\n{options}  </Choices>\n")
}

fn option(choice: &str) -> String {
    format!("    <Choice value=\"{}\"/>\n", attribute(choice))
}

/// A text as the value of an attribute.
fn attribute(text: &str) -> String {
    let mut out = String::new();
    for sign in text.chars() {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            sign => out.push(sign),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_names_are_attributes_of_the_configuration_and_no_markup() {
        let names = ["a\"/><View>", "b & 'c'"].map(str::to_owned);
        let project = image_project(&Choices::new(Some(&names), 2));
        assert!(project.contains("<Choice value=\"a&quot;/&gt;&lt;View&gt;\"/>"), "{project}");
        assert!(project.contains("<Choice value=\"b &amp; 'c'\"/>"), "{project}");
        assert_eq!(project.matches("<View").count(), 1);
    }
}
