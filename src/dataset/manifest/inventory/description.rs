//! The `manifest.json` of an S3 Inventory: whose objects it lists, in which files, and in which form.

use serde::Deserialize;

/// More bytes than these are no such file: one of a billion objects has a few hundred KiB.
pub const MOST_BYTES: u64 = 64 << 20;

/// An inventory as its `manifest.json` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The bucket whose objects are listed.
    pub bucket: String,
    pub form: Form,
    pub files: Vec<InventoryFile>,
}

/// How its files are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// Compressed with gzip, without a header.
    Csv(Columns),
    Parquet,
}

/// The positions of the columns that are read of a CSV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// Columns in all.
    pub all: usize,
    pub bucket: usize,
    pub key: usize,
    pub is_latest: Option<usize>,
    pub is_delete_marker: Option<usize>,
    pub size: Option<usize>,
    pub etag: Option<usize>,
}

/// One of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryFile {
    /// The key in the bucket that the inventory was delivered to.
    pub key: String,
    pub size: Option<u64>,
    pub md5: [u8; 16],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    source_bucket: String,
    file_format: String,
    file_schema: String,
    files: Vec<JsonFile>,
}

#[derive(Deserialize)]
struct JsonFile {
    key: String,
    size: Option<u64>,
    #[serde(rename = "MD5checksum")]
    md5: String,
}

impl Description {
    /// Reads a document; `None` if it is none of an inventory.
    ///
    /// # Errors
    /// What is wrong with the document of an inventory.
    pub fn parse(bytes: &[u8]) -> Option<Result<Description, String>> {
        let document: serde_json::Value = serde_json::from_slice(bytes).ok()?;
        let is_described =
            ["fileFormat", "fileSchema", "files"].iter().all(|name| document.get(name).is_some());
        if !is_described {
            return None;
        }
        let json: Result<Json, _> = serde_json::from_value(document);
        Some(
            json.map_err(|error| format!("it is no `manifest.json` of an S3 Inventory: {error}"))
                .and_then(describe),
        )
    }
}

fn describe(json: Json) -> Result<Description, String> {
    let form = match json.file_format.to_ascii_lowercase().as_str() {
        "csv" => Form::Csv(columns(&json.file_schema)?),
        "parquet" => Form::Parquet,
        _ => {
            return Err(format!(
                "its `fileFormat` is {}; inventories in CSV and Parquet are read: choose one of these in the bucket's \
                 inventory configuration",
                json.file_format
            ));
        }
    };
    let file = |file: JsonFile| match md5(&file.md5) {
        Some(md5) => Ok(InventoryFile { key: file.key, size: file.size, md5 }),
        None => Err(format!("the `MD5checksum` of its file `{}` is no MD5", file.key)),
    };
    let files = json.files.into_iter().map(file).collect::<Result<_, _>>()?;
    Ok(Description { bucket: json.source_bucket, form, files })
}

fn columns(schema: &str) -> Result<Columns, String> {
    let names: Vec<&str> = schema.split(',').map(str::trim).collect();
    let place = |name: &str| names.iter().position(|column| column.eq_ignore_ascii_case(name));
    let needed = |name: &str| place(name).ok_or_else(|| format!("its `fileSchema` has no column `{name}`"));
    Ok(Columns {
        all: names.len(),
        bucket: needed("Bucket")?,
        key: needed("Key")?,
        is_latest: place("IsLatest"),
        is_delete_marker: place("IsDeleteMarker"),
        size: place("Size"),
        etag: place("ETag"),
    })
}

fn md5(text: &str) -> Option<[u8; 16]> {
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut md5 = [0; 16];
    for (at, byte) in md5.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(md5)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn document() -> Value {
        json!({
            "sourceBucket": "photos",
            "destinationBucket": "arn:aws:s3:::lists",
            "version": "2016-11-30",
            "creationTimestamp": "1514944800000",
            "fileFormat": "CSV",
            "fileSchema": "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, ETag",
            "files": [{
                "key": "Inventory/photos/daily/data/1.csv.gz",
                "size": 7,
                "MD5checksum": "d41d8cd98f00b204e9800998ecf8427e"
            }]
        })
    }

    fn parsed(document: &Value) -> Option<Result<Description, String>> {
        Description::parse(document.to_string().as_bytes())
    }

    #[test]
    fn an_inventory_is_known_by_its_fields() {
        let found = parsed(&document()).unwrap().unwrap();
        assert_eq!((found.bucket.as_str(), found.files.len()), ("photos", 1));
        assert_eq!((found.files[0].size, found.files[0].md5[0]), (Some(7), 0xd4));
        let columns = Columns {
            all: 7,
            bucket: 0,
            key: 1,
            is_latest: Some(3),
            is_delete_marker: Some(4),
            size: Some(5),
            etag: Some(6),
        };
        assert_eq!(found.form, Form::Csv(columns));
        for other in [json!({}), json!([1]), json!({ "files": [], "fileFormat": "CSV" })] {
            assert!(parsed(&other).is_none(), "{other}");
        }
        assert!(Description::parse(b"a.jpg 1\n").is_none());
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (name, value, words) in [
            ("fileFormat", json!("ORC"), "CSV and Parquet"),
            ("fileSchema", json!("Bucket, Size"), "`Key`"),
            ("files", json!([{ "key": "a", "size": 1, "MD5checksum": "x" }]), "no MD5"),
            ("files", json!([{ "key": "a", "size": 1 }]), "MD5checksum"),
            ("sourceBucket", json!(7), "no `manifest.json`"),
        ] {
            let mut document = document();
            document[name] = value;
            let why = parsed(&document).unwrap().unwrap_err();
            assert!(why.contains(words), "{name}: {why}");
        }
    }
}
