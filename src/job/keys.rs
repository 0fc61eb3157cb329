//! Every key of a job file, and whether it decides the rows or only how they are made.

/// What a key decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decides {
    /// The rows: it is part of the fingerprint.
    Rows,
    /// The operation: the rows do not depend on its value.
    Operation,
}

use Decides::{Operation, Rows};

/// Tables and keys. A test holds this list against the types that are deserialised.
pub const KEYS: &[(&str, &[(&str, Decides)])] = &[
    ("job", &[("name", Operation), ("price_per_hour", Operation)]),
    (
        "input",
        &[
            ("uri", Rows),
            ("format", Rows),
            ("targets", Rows),
            ("manifest", Rows),
            ("targets_file", Rows),
            ("classes", Rows),
            ("exclude_done", Operation),
            ("carry_columns", Rows),
            ("limit", Rows),
            ("extensions", Rows),
            ("listing", Operation),
            ("path_column", Rows),
            ("target_column", Rows),
            ("duplicates", Rows),
            ("image_column", Rows),
            ("key_column", Rows),
            ("roots", Rows),
        ],
    ),
    (
        "model",
        &[
            ("path", Rows),
            ("config", Rows),
            ("precision", Rows),
            ("weights", Rows),
            ("input", Rows),
            ("logits", Rows),
            ("embedding", Rows),
        ],
    ),
    (
        "preprocess",
        &[
            ("image_size", Rows),
            ("crop_pct", Rows),
            ("mode", Rows),
            ("interpolation", Rows),
            ("mean", Rows),
            ("std", Rows),
            ("exif", Rows),
            ("decode", Rows),
        ],
    ),
    (
        "engine",
        &[
            ("device", Operation),
            ("device_ids", Operation),
            ("batch_size", Operation),
            ("threads", Operation),
            ("spinning", Operation),
            ("memory_limit", Operation),
            ("nhwc", Operation),
            ("conv_search", Operation),
            ("cuda_graph", Operation),
            ("fuse_conv_bias", Operation),
            ("tf32", Operation),
        ],
    ),
    (
        "output",
        &[
            ("uri", Operation),
            ("top_k", Rows),
            ("embedding", Rows),
            ("normalize_embedding", Rows),
            ("logits", Rows),
            ("content_hash", Rows),
            ("activation", Rows),
            ("rows_per_part", Rows),
            ("compression", Operation),
        ],
    ),
    (
        "limits",
        &[
            ("max_error_fraction", Operation),
            ("max_damaged_inputs", Operation),
            ("max_unreadable", Operation),
            ("max_encoded_bytes", Rows),
            ("max_pixels", Rows),
            ("max_scans", Rows),
            ("decoder_warnings", Rows),
            ("in_flight_bytes", Operation),
            ("requests", Operation),
            ("decode_threads", Operation),
            ("grace_seconds", Operation),
        ],
    ),
    (
        "storage",
        &[
            ("conditional_put", Operation),
            ("checksums", Operation),
            ("anonymous_input", Operation),
            ("requester_pays", Operation),
            ("retry_seconds", Operation),
            ("read_timeout_seconds", Operation),
            ("write_timeout_seconds", Operation),
        ],
    ),
    ("report", &[("formats", Operation), ("require", Operation)]),
];

/// The known key that is nearest to what was typed, if any is near.
pub fn nearest(typed: &str) -> Option<String> {
    let (table, key) = typed.split_once('.').unwrap_or((typed, ""));
    let all = KEYS.iter().flat_map(|(table, keys)| keys.iter().map(move |(key, _)| (*table, *key)));
    let scored = all.map(|(known_table, known_key)| {
        let near_key = strsim::normalized_damerau_levenshtein(key, known_key);
        let near_table = strsim::normalized_damerau_levenshtein(table, known_table);
        (near_key + 0.3 * near_table, format!("{known_table}.{known_key}"))
    });
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= 0.75).then_some(best.1)
}

/// The known key whose name, without its table, is nearest to what was typed, or begins with it, if one is near.
pub fn nearest_key(typed: &str) -> Option<String> {
    let all = KEYS.iter().flat_map(|(table, keys)| keys.iter().map(move |(key, _)| (*table, *key)));
    let near = |key: &str| match typed.len() > 2 && key.starts_with(typed) {
        true => 1.0,
        false => strsim::normalized_damerau_levenshtein(typed, key),
    };
    let best = all.max_by(|a, b| near(a.1).total_cmp(&near(b.1)))?;
    (near(best.1) >= 0.75).then(|| format!("{}.{}", best.0, best.1))
}

/// The known table that is nearest to what was typed.
pub fn nearest_table(typed: &str) -> Option<&'static str> {
    let scored = KEYS.iter().map(|(table, _)| (strsim::normalized_damerau_levenshtein(typed, table), *table));
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score > 0.5).map(|(_, table)| table)
}

/// True for names under which people keep secrets.
pub fn looks_like_credential(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    [
        "secret",
        "password",
        "passwd",
        "token",
        "access_key",
        "account_key",
        "credential",
        "api_key",
        "sas_",
        "private_key",
    ]
    .iter()
    .any(|word| key.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::spec::{Engine, Input, Job, Limits, Model, Output, Preprocess, Report, Storage};

    #[test]
    fn typing_errors_find_the_key_that_was_meant() {
        for (typed, meant) in [
            ("engine.batchsize", "engine.batch_size"),
            ("input.url", "input.uri"),
            ("output.topk", "output.top_k"),
            ("preproces.crop_pct", "preprocess.crop_pct"),
        ] {
            assert_eq!(nearest(typed).as_deref(), Some(meant));
        }
        assert_eq!(nearest("engine.zzzzzz"), None);
    }

    /// The fields that serde knows, read off the error for a field that cannot exist.
    fn fields<T: serde::de::DeserializeOwned + std::fmt::Debug>() -> Vec<String> {
        let error = toml::from_str::<T>("\"no such field\" = 1").unwrap_err().to_string();
        let list = error.split("expected ").nth(1).unwrap();
        list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn every_key_that_is_deserialised_is_marked_as_deciding_rows_or_operation() {
        let tables = [
            ("job", fields::<Job>()),
            ("input", fields::<Input>()),
            ("model", fields::<Model>()),
            ("preprocess", fields::<Preprocess>()),
            ("engine", fields::<Engine>()),
            ("output", fields::<Output>()),
            ("limits", fields::<Limits>()),
            ("storage", fields::<Storage>()),
            ("report", fields::<Report>()),
        ];
        let marked: Vec<(&str, Vec<String>)> = KEYS
            .iter()
            .map(|(table, keys)| (*table, keys.iter().map(|(key, _)| (*key).to_owned()).collect()))
            .collect();
        assert_eq!(tables.to_vec(), marked);
    }
}
