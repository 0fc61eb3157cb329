//! Keys and values that are part of the job file's language, but of no feature that is built yet.

use toml::{Table, Value};

/// The first key whose value asks for something that is not built, with that value.
pub(super) fn first_missing(root: &Table) -> Option<(String, String)> {
    const VALUES: [(&str, &[&str]); 2] = [("engine.device", &["cuda"]), ("engine.batch_size", &["auto"])];
    let value = |path: &str| {
        let (table, key) = path.split_once('.')?;
        root.get(table)?.get(key)
    };
    let asks = |found: &Value, missing: &[&str]| match found {
        Value::String(text) => missing.contains(&text.as_str()),
        Value::Array(items) => {
            items.iter().any(|item| item.as_str().is_some_and(|text| missing.contains(&text)))
        }
        _ => false,
    };
    VALUES.iter().find_map(|(path, missing)| {
        let found = value(path)?;
        asks(found, missing).then(|| ((*path).to_owned(), found.to_string()))
    })
}
