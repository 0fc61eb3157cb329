//! What decides the rows, as named components, and their hash.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Named values that decide the rows. Sorted by name, so that equal jobs have equal text.
pub type Components = BTreeMap<String, Value>;

/// SHA-256 (hex) over the canonical JSON of the components: sorted keys, no spaces.
pub fn fingerprint(components: &Components) -> String {
    let mut hash = Sha256::new();
    for (name, value) in components {
        // each pair is one JSON array, so no two lists of components have the same text
        hash.update(Value::Array(vec![Value::String(name.clone()), sorted(value)]).to_string());
        hash.update("\n");
    }
    hex(&hash.finalize())
}

/// Every component that differs, with both values, for a person.
pub(super) fn differences(standing: &Components, ours: &Components) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = standing.keys().chain(ours.keys()).collect();
    let show = |value: Option<&Value>| value.map_or_else(|| "(absent)".to_owned(), Value::to_string);
    names
        .into_iter()
        .filter(|name| standing.get(*name) != ours.get(*name))
        .map(|name| format!("`{name}` is {} there, {} here", show(standing.get(name)), show(ours.get(name))))
        .collect()
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let sorted_map: BTreeMap<String, Value> =
                map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            Value::Object(sorted_map.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_order_of_an_objects_keys_does_not_matter_and_every_value_does() {
        let one = Components::from([("a".into(), json!({"x": 1, "y": 2})), ("b".into(), json!([1, 2]))]);
        let same = Components::from([("b".into(), json!([1, 2])), ("a".into(), json!({"y": 2, "x": 1}))]);
        assert_eq!(fingerprint(&one), fingerprint(&same));
        let other = Components::from([("a".into(), json!({"x": 1, "y": 2})), ("b".into(), json!([2, 1]))]);
        assert_ne!(fingerprint(&one), fingerprint(&other));
        assert_eq!(differences(&one, &other), ["`b` is [1,2] there, [2,1] here"]);
    }
}
