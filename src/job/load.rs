//! From a file to a [`JobSpec`]: variables, overrides, and errors that name a line.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use toml::Value;
use toml::de::DeTable;

use crate::regular_file;
use crate::store::expand_home;

use super::error::JobError;
use super::keys::{KEYS, looks_like_credential, nearest, nearest_table};
use super::spec::JobSpec;

/// What a job is loaded from, beside the file.
#[derive(Debug, Clone, Default)]
pub struct Source<'a> {
    /// `--set table.key=value`, in order.
    pub overrides: &'a [String],
    /// `--date`, or today in UTC: the value of `${DATE}`.
    pub date: String,
}

/// The line of each key, for errors.
struct KeyPlaces {
    file: String,
    lines: BTreeMap<String, usize>,
}

impl KeyPlaces {
    fn of(&self, key: &str) -> String {
        match self.lines.get(key) {
            Some(0) => format!("--set {key}"),
            Some(line) => format!("{}:{line}", self.file),
            None => self.file.clone(),
        }
    }
}

/// Bytes of a job file.
const LARGEST: u64 = 16 << 20;

/// Reads a job file, expands variables and applies overrides.
///
/// # Errors
/// [`JobError::Unreadable`] if the file cannot be read or exceeds 16 MiB; those of [`parse_text`].
pub fn load(path: &Path, source: &Source<'_>) -> Result<JobSpec, JobError> {
    let file = path.display().to_string();
    let text = regular_file::read_given(path, LARGEST).map_err(|error| {
        let why = match error.kind() {
            ErrorKind::IsADirectory => format!(
                "it is a folder. `tresnet-batch run {file} --model MODEL` writes a job file for the images in it and \
                 runs it, `tresnet-batch init IMAGES --model MODEL` only writes it. MODEL is a file (.safetensors, .pth, \
                 .onnx), a folder with one, or hf://OWNER/NAME"
            ),
            ErrorKind::NotFound => {
                format!(
                    "{error}; `tresnet-batch init IMAGES --model MODEL` writes one, and `tresnet-batch run IMAGES \
                     --model MODEL` writes and runs it"
                )
            }
            _ => error.to_string(),
        };
        JobError::Unreadable { path: file.clone(), why }
    })?;
    parse_text(&text, &file, source)
}

impl JobSpec {
    /// What the job is called: as typed, or as its file.
    pub fn name(&self, file: &Path) -> String {
        self.job.name.clone().unwrap_or_else(|| name_of(file))
    }
}

/// The name of a job whose file gives none.
pub fn name_of(file: &Path) -> String {
    file.file_stem().map_or_else(|| "job".into(), |stem| stem.to_string_lossy().into_owned())
}

/// Parses a file's text as [`load`] does. `file` is for messages.
///
/// # Errors
/// The text is no TOML; a key is unknown or looks like a credential; a value does not fit its key. An override is not
/// of the form `table.key=value`; a variable has no value.
pub fn parse_text(text: &str, file: &str, source: &Source<'_>) -> Result<JobSpec, JobError> {
    // the parser's own text quotes the line, and a line may hold anything
    let syntax = |error: toml::de::Error| JobError::Syntax {
        path: match error.span() {
            Some(span) => format!("{file}:{}", line_of(text, span.start)),
            None => file.to_owned(),
        },
        why: error.message().to_owned(),
    };
    let mut places = KeyPlaces { file: file.to_owned(), lines: lines(text).map_err(syntax)? };
    let mut root: toml::Table = toml::from_str(text).map_err(syntax)?;
    for assignment in source.overrides {
        apply(&mut root, assignment, &mut places)?;
    }
    check_keys(&root, &places)?;
    for (table, value) in &mut root {
        expand(value, table, &places, &source.date)?;
    }
    serde_path_to_error::deserialize(Value::Table(root)).map_err(|error| {
        let key = error.path().to_string();
        let why = error.inner().message().trim().to_owned();
        if key == "." || key.is_empty() {
            return JobError::Mismatch(format!("{file}: {why}"));
        }
        let place = places.of(key.split('[').next().unwrap_or(&key));
        JobError::Value { place, key, why: format!("does not fit: {why}") }
    })
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The line of every key, by its path.
fn lines(text: &str) -> Result<BTreeMap<String, usize>, toml::de::Error> {
    let mut lines = BTreeMap::new();
    let root = DeTable::parse(text)?;
    for (table, value) in root.get_ref().iter() {
        lines.insert(table.get_ref().to_string(), line_of(text, table.span().start));
        if let Some(keys) = value.get_ref().as_table() {
            for (key, _) in keys.iter() {
                lines.insert(
                    format!("{}.{}", table.get_ref(), key.get_ref()),
                    line_of(text, key.span().start),
                );
            }
        }
    }
    Ok(lines)
}

/// `engine.batch_size=64`: the value is TOML if it parses as such, else a text.
fn apply(root: &mut toml::Table, assignment: &str, places: &mut KeyPlaces) -> Result<(), JobError> {
    let wrong = |why: &str| JobError::Value {
        place: "--set".into(),
        key: assignment.split('=').next().unwrap_or_default().to_owned(),
        why: why.to_owned(),
    };
    let (key, value) =
        assignment.split_once('=').ok_or_else(|| wrong("is not of the form table.key=value"))?;
    let (table, name) =
        key.trim().split_once('.').ok_or_else(|| wrong("names no table; write table.key=value"))?;
    let parsed = toml::from_str::<toml::Table>(&format!("value = {value}")).ok();
    let value =
        parsed.and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::String(value.to_owned()));
    places.lines.insert(format!("{table}.{name}"), 0);
    places.lines.entry(table.to_owned()).or_insert(0);
    let entry = root.entry(table).or_insert_with(|| Value::Table(toml::Table::new()));
    let keys = entry.as_table_mut().ok_or_else(|| wrong("names something that is no table"))?;
    keys.insert(name.to_owned(), value);
    Ok(())
}

fn check_keys(root: &toml::Table, places: &KeyPlaces) -> Result<(), JobError> {
    let unknown = |key: String, nearest: Option<String>| {
        let place = places.of(&key);
        if looks_like_credential(&key) {
            return JobError::Credential { place, key };
        }
        let nearest = nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default();
        JobError::UnknownKey { place, key, nearest }
    };
    for (table, value) in root {
        let Some((_, known)) = KEYS.iter().find(|(name, _)| name == table) else {
            return Err(unknown(table.clone(), nearest_table(table).map(|near| format!("[{near}]"))));
        };
        let Some(keys) = value.as_table() else {
            let why = "is a table, not a value".into();
            return Err(JobError::Value { place: places.of(table), key: table.clone(), why });
        };
        for key in keys.keys() {
            if !known.iter().any(|(name, _)| name == key) {
                let typed = format!("{table}.{key}");
                return Err(unknown(typed.clone(), nearest(&typed)));
            }
        }
    }
    Ok(())
}

/// Expands `${NAME}` and `${NAME:-default}` in every text below `value`.
fn expand(value: &mut Value, key: &str, places: &KeyPlaces, date: &str) -> Result<(), JobError> {
    match value {
        Value::String(text) => {
            *text =
                expand_text(text, date).map_err(|name| JobError::Variable { place: places.of(key), name })?;
            if let Cow::Owned(path) = expand_home(text) {
                *text = path;
            }
        }
        Value::Array(items) => {
            for item in items {
                expand(item, key, places, date)?;
            }
        }
        Value::Table(table) => {
            for (name, value) in table.iter_mut() {
                expand(value, &format!("{key}.{name}"), places, date)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// The expanded text, or the name of the variable that is not set.
fn expand_text(text: &str, date: &str) -> Result<String, String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else { break };
        result.push_str(&rest[..start]);
        let inside = &rest[start + 2..start + length];
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let set = if name == "DATE" { Some(date.to_owned()) } else { std::env::var(name).ok() };
        match (set.filter(|value| !value.is_empty()), default) {
            (Some(value), _) => result.push_str(&value),
            (None, Some(default)) => result.push_str(default),
            (None, None) => return Err(name.to_owned()),
        }
        rest = &rest[start + length + 1..];
    }
    result.push_str(rest);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str =
        "[input]\nuri = \"in/${DATE}\"\n[model]\npath = \"m.safetensors\"\n[output]\nuri = \"out\"\n";

    fn parsed(text: &str, overrides: &[&str]) -> Result<JobSpec, JobError> {
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        parse_text(text, "job.toml", &Source { overrides: &overrides, date: "2026-11-24".into() })
    }

    #[test]
    fn an_unknown_key_is_told_with_its_line_and_the_nearest_known_one() {
        let cases = [
            (
                "[engine]\nbatchsize = 3\n",
                "job.toml:8: unknown key `engine.batchsize`; did you mean `engine.batch_size`?",
            ),
            ("[engin]\nbatch_size = 3\n", "job.toml:7: unknown key `engin`; did you mean `[engine]`?"),
            ("[engine]\naws_secret_access_key = \"x\"\n", "looks like a credential"),
            ("[engine]\nbatch_size = [1]\n", "job.toml:8: `engine.batch_size` does not fit"),
            (
                "[engine]\ndevice = \"tpu\"\n",
                "job.toml:8: `engine.device` does not fit: unknown variant `tpu`, expected one of `auto`, `cpu`, `cuda`",
            ),
            ("[engine]\nconv_search = \"slow\"\n", "expected one of `exhaustive`, `heuristic`, `default`"),
            (
                "[report]\nformats = [\"pdf\"]\n",
                "job.toml:8: `report.formats[0]` does not fit: unknown variant `pdf`",
            ),
        ];
        for (tail, expected) in cases {
            let error = parsed(&format!("{JOB}{tail}"), &[]).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn overrides_replace_values_and_are_checked_like_the_file() {
        let spec = parsed(JOB, &["engine.batch_size=64", "output.uri=s3://b/x", "input.limit=5"]).unwrap();
        assert_eq!((spec.output.uri.as_str(), spec.input.limit), ("s3://b/x", Some(5)));
        let error = parsed(JOB, &["engine.batch=64"]).unwrap_err().to_string();
        assert!(error.starts_with("--set engine.batch: unknown key"), "{error}");
    }

    #[test]
    fn requests_follow_the_decoders_unless_they_are_typed() {
        for (threads, expected) in [("1", 64), ("3", 192), ("64", 512)] {
            let threads = format!("limits.decode_threads={threads}");
            let follows = parsed(JOB, &[&threads]).unwrap();
            assert_eq!(follows.requests(), expected);
            // as many as the limit of open files allows, here too
            assert!((expected..=4096).contains(&follows.most_requests()));
            let typed = parsed(JOB, &[&threads, "limits.requests=7"]).unwrap();
            assert_eq!((typed.requests(), typed.most_requests()), (7, 7));
        }
    }

    #[test]
    fn variables_expand_and_a_missing_one_is_named() {
        assert_eq!(parsed(JOB, &[]).unwrap().input.uri, "in/2026-11-24");
        let error = parsed(JOB, &["input.uri=${TRESNET_TEST_NOT_SET}"]).unwrap_err().to_string();
        assert!(error.contains("`TRESNET_TEST_NOT_SET` is not set"), "{error}");
        assert_eq!(expand_text("${TRESNET_TEST_NOT_SET:-a:-b}/x", "d").unwrap(), "a:-b/x");
    }
}
