//! One object of an inventory: whether it becomes a row, and which.

use percent_encoding::percent_decode;

use crate::dataset::plan::LeftOut;
use crate::store::Uri;

use super::description::Columns;

/// The entry of an inventory for one version of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    pub bucket: String,
    pub key: String,
    /// False for a version that another one has replaced.
    pub is_latest: bool,
    pub is_delete_marker: bool,
    pub size: Option<u64>,
    pub etag: Option<String>,
}

impl Record {
    /// Reads the fields of a CSV file, in which keys are encoded as in a form.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn of_fields(mut fields: Vec<String>, columns: &Columns) -> Result<Record, String> {
        if fields.len() != columns.all {
            return Err(format!("{} fields, but `fileSchema` has {}", fields.len(), columns.all));
        }
        let text =
            |place: Option<usize>| place.map(|place| fields[place].as_str()).filter(|text| !text.is_empty());
        let size = match text(columns.size) {
            None => None,
            Some(size) => Some(size.parse().map_err(|_| format!("`{size}` is no size"))?),
        };
        let is = |place: Option<usize>, word: &str| {
            text(place).is_some_and(|text| text.eq_ignore_ascii_case(word))
        };
        let (is_latest, is_delete_marker) =
            (!is(columns.is_latest, "false"), is(columns.is_delete_marker, "true"));
        let etag = text(columns.etag).map(str::to_owned);
        let key = fields[columns.key].replace('+', " ");
        let key = percent_decode(key.as_bytes()).decode_utf8();
        let key = key.map_err(|_| format!("the key `{}` is not UTF-8", fields[columns.key]))?.into_owned();
        let bucket = fields.swap_remove(columns.bucket);
        Ok(Record { bucket, key, is_latest, is_delete_marker, size, etag })
    }
}

/// The objects that are meant: those of a bucket below a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    bucket: String,
    prefix: String,
}

/// What becomes of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// A row with this key below the input.
    Row(String),
    /// It is left out, and counted there.
    LeftOut(Why),
}

/// Why an object is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    OldVersion,
    DeleteMarker,
    Outside,
    FolderMarker,
}

impl Why {
    pub fn count(self, left_out: &mut LeftOut) {
        let count = match self {
            Why::OldVersion => &mut left_out.old_versions,
            Why::DeleteMarker => &mut left_out.delete_markers,
            Why::Outside => &mut left_out.outside,
            Why::FolderMarker => &mut left_out.markers,
        };
        *count += 1;
    }
}

impl Scope {
    /// The objects of the bucket `bucket` below the address `input`.
    ///
    /// # Errors
    /// If that is in another bucket, or on another kind of store.
    pub fn new(bucket: &str, input: &str) -> Result<Scope, String> {
        match Uri::parse(input) {
            Ok(Uri::Remote { scheme: "s3", bucket: ours, prefix, .. }) if ours == bucket => {
                Ok(Scope { bucket: ours, prefix })
            }
            _ => Err(format!(
                "it is an inventory of the bucket `{bucket}`, and `input.uri` is `{input}`: set it to `s3://{bucket}` or a \
                 folder of it"
            )),
        }
    }

    /// What becomes of an object.
    ///
    /// # Errors
    /// If it is of another bucket.
    pub fn fate(&self, record: &Record) -> Result<Fate, String> {
        if record.bucket != self.bucket {
            return Err(format!(
                "an object of the bucket `{}` in an inventory of `{}`",
                record.bucket, self.bucket
            ));
        }
        if record.is_delete_marker {
            return Ok(Fate::LeftOut(Why::DeleteMarker));
        }
        if !record.is_latest {
            return Ok(Fate::LeftOut(Why::OldVersion));
        }
        let below = match self.prefix.as_str() {
            "" => Some(record.key.as_str()),
            prefix => record.key.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')),
        };
        Ok(match below {
            None => Fate::LeftOut(Why::Outside),
            Some("") => Fate::LeftOut(Why::FolderMarker),
            Some(key) if record.size == Some(0) && key.ends_with('/') => Fate::LeftOut(Why::FolderMarker),
            Some(key) => Fate::Row(key.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: Columns = Columns {
        all: 6,
        bucket: 0,
        key: 1,
        is_latest: Some(2),
        is_delete_marker: Some(3),
        size: Some(4),
        etag: Some(5),
    };

    fn fields(fields: [&str; 6]) -> Result<Record, String> {
        Record::of_fields(fields.map(str::to_owned).to_vec(), &COLUMNS)
    }

    #[test]
    fn keys_of_csv_are_decoded() {
        for (written, key) in
            [("a%20b%2Bc.jpg", "a b+c.jpg"), ("a+b.jpg", "a b.jpg"), ("r%C3%BCbe/%25.jpg", "rübe/%.jpg")]
        {
            assert_eq!(fields(["b", written, "true", "false", "7", "x"]).unwrap().key, key);
        }
        assert!(fields(["b", "%ff", "true", "false", "7", "x"]).unwrap_err().contains("not UTF-8"));
        assert!(fields(["b", "a", "true", "false", "seven", "x"]).unwrap_err().contains("no size"));
        assert!(Record::of_fields(vec!["b".into()], &COLUMNS).unwrap_err().contains("1 fields"));
        let marker = fields(["b", "a", "true", "true", "", ""]).unwrap();
        assert_eq!((marker.size, marker.etag, marker.is_delete_marker), (None, None, true));
    }

    #[test]
    fn only_the_latest_versions_below_the_input_are_rows() {
        let scope = Scope::new("b", "s3://b/in").unwrap();
        let row = |key: &str| Fate::Row(key.to_owned());
        for (key, latest, marker, size, expected) in [
            ("in/a.jpg", "true", "false", "7", row("a.jpg")),
            ("in/a//b.jpg", "true", "false", "7", row("a//b.jpg")),
            ("in/x/", "true", "false", "7", row("x/")),
            ("in/a.jpg", "false", "false", "7", Fate::LeftOut(Why::OldVersion)),
            ("in/a.jpg", "true", "true", "", Fate::LeftOut(Why::DeleteMarker)),
            ("in/a.jpg", "false", "true", "", Fate::LeftOut(Why::DeleteMarker)),
            ("inner/a.jpg", "true", "false", "7", Fate::LeftOut(Why::Outside)),
            ("in", "true", "false", "7", Fate::LeftOut(Why::Outside)),
            ("in/", "true", "false", "0", Fate::LeftOut(Why::FolderMarker)),
            ("in/x/", "true", "false", "0", Fate::LeftOut(Why::FolderMarker)),
        ] {
            let record = fields(["b", key, latest, marker, size, "x"]).unwrap();
            assert_eq!(scope.fate(&record), Ok(expected), "{key} {latest} {marker}");
        }
        let other = fields(["c", "in/a.jpg", "true", "false", "7", "x"]).unwrap();
        assert!(scope.fate(&other).unwrap_err().contains("`c`"));
    }

    #[test]
    fn an_inventory_of_another_bucket_is_refused() {
        for input in ["s3://c/in", "gs://b/in", "/data/b"] {
            let why = Scope::new("b", input).unwrap_err();
            assert!(why.contains("bucket `b`") && why.contains(input), "{why}");
        }
        assert!(Scope::new("b", "s3://b").is_ok());
    }
}
