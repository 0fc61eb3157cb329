//! The JSON Schema of the job file, with which editors complete and check it.

/// The schema (draft 7) as JSON text. A test makes it from the types in `spec.rs`, so that the program needs no code
/// for it.
pub const SCHEMA: &str = include_str!("job.schema.json");

#[cfg(test)]
mod tests {
    use std::path::Path;

    use schemars::Schema;
    use schemars::generate::SchemaSettings;
    use schemars::transform::{Transform, transform_subschemas};
    use serde_json::{Value, json};

    use super::super::keys::KEYS;
    use super::super::spec::JobSpec;
    use super::super::{Source, parse_text};
    use super::SCHEMA;

    /// Turns what serde takes into what is typed in TOML: there is no null, and a word may come from a variable.
    #[derive(Clone)]
    struct AsTyped;

    impl Transform for AsTyped {
        fn transform(&mut self, schema: &mut Schema) {
            transform_subschemas(self, schema);
            let Some(object) = schema.as_object_mut() else { return };
            object.remove("format");
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".into(), only);
                }
            }
            if let Some(Value::Array(values)) = object.get_mut("enum") {
                values.retain(|value| !value.is_null());
            }
            let null = json!({ "type": "null" });
            if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
                choices.retain(|choice| *choice != null);
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    object.remove("anyOf");
                    for (name, value) in only {
                        object.entry(name).or_insert(value);
                    }
                }
            }
            // words that have a description each
            if let Some(Value::Array(mut choices)) = object.remove("oneOf") {
                choices.push(variable());
                object.insert("anyOf".into(), choices.into());
            }
            let is_word = object.get("type").is_some_and(|name| name == "string");
            if let Some(values) = object.get("enum").filter(|_| is_word).cloned() {
                object.remove("enum");
                object.remove("type");
                object.insert("anyOf".into(), json!([{ "enum": values }, variable()]));
            }
        }
    }

    fn variable() -> Value {
        json!({ "$ref": "#/definitions/variable" })
    }

    fn generated() -> String {
        let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
        let mut schema = settings.with_transform(AsTyped).into_generator().into_root_schema_for::<JobSpec>();
        schema.insert("title".into(), "Job file of tresnet-batch".into());
        let variable = json!({
            "description": "A text with a variable, ${NAME} or ${NAME:-default}",
            "type": "string",
            "pattern": r"\$\{[^}]*\}",
        });
        schema.insert("definitions".into(), json!({ "variable": variable }));
        format!("{:#}\n", schema.to_value())
    }

    fn schema() -> Value {
        serde_json::from_str(&generated()).unwrap()
    }

    /// The tables and keys of the schema, with the schema of each key.
    fn keys(schema: &Value) -> Vec<(String, String, Value)> {
        let mut found = Vec::new();
        for (table, keys) in schema["properties"].as_object().unwrap() {
            for (key, of_key) in keys["properties"].as_object().unwrap() {
                found.push((table.clone(), key.clone(), of_key.clone()));
            }
        }
        found.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        found
    }

    #[test]
    fn the_schema_is_the_one_of_the_types() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/job/job.schema.json");
        let generated = generated();
        if std::env::var_os("TRESNET_BATCH_BLESS").is_some() {
            std::fs::write(&path, &generated).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap();
        assert!(
            committed == generated,
            "src/job/job.schema.json is old; TRESNET_BATCH_BLESS=1 writes it anew"
        );
    }

    #[test]
    fn every_key_of_a_job_file_is_described_in_the_schema_and_no_other() {
        let schema = schema();
        let described = keys(&schema);
        let mut known: Vec<(String, String)> = KEYS
            .iter()
            .flat_map(|(table, keys)| keys.iter().map(|(key, _)| ((*table).to_owned(), (*key).to_owned())))
            .collect();
        known.sort();
        let names: Vec<(String, String)> =
            described.iter().map(|(table, key, _)| (table.clone(), key.clone())).collect();
        assert_eq!(names, known);
        for (table, key, of_key) in described {
            let text = of_key["description"].as_str().unwrap_or_default();
            assert!(text.ends_with('.'), "{table}.{key} is described as `{text}`");
        }
        for table in schema["properties"].as_object().unwrap().values() {
            assert_eq!(table["additionalProperties"], false);
        }
    }

    /// The words that a key may be.
    fn words(schema: &Value, found: &mut Vec<Value>) {
        found.extend(schema.get("const").cloned());
        found.extend(schema["enum"].as_array().into_iter().flatten().cloned());
        schema["anyOf"].as_array().into_iter().flatten().for_each(|choice| words(choice, found));
    }

    #[test]
    fn what_the_schema_offers_as_a_default_or_a_word_is_taken_by_the_program() {
        const JOB: &str = "[input]\nuri = \"in\"\n[model]\npath = \"m\"\n[output]\nuri = \"out\"\n";
        let mut offered = 0;
        for (table, key, of_key) in keys(&schema()) {
            let mut values: Vec<Value> = of_key.get("default").cloned().into_iter().collect();
            words(&of_key, &mut values);
            for value in values {
                offered += 1;
                let set = [format!("{table}.{key}={value}")];
                let source = Source { overrides: &set, date: String::new() };
                if let Err(error) = parse_text(JOB, "job.toml", &source) {
                    panic!("{}: {error}", set[0]);
                }
            }
        }
        assert!(offered > 60, "{offered}");
    }

    #[test]
    fn no_key_may_be_null_and_none_has_a_format_of_rust() {
        for word in ["null", "uint", "double"] {
            assert!(!SCHEMA.contains(&format!("\"{word}")), "{word}");
        }
    }
}
