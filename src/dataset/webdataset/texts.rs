//! The texts beside an image, and which of them a job asks for.

use serde_json::{Map, Value as Json};

/// Keys of a sample's `.json` under which its class may be.
const TARGET_KEYS: [&str; 5] = ["cls", "label", "target", "labels", "targets"];

/// The texts beside an image, as they are, or why one was not read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// `.cls`: its class.
    pub cls: Option<Result<Vec<u8>, String>>,
    /// `.json`: columns to carry, or its class.
    pub json: Option<Result<Vec<u8>, String>>,
    /// `.txt`: a caption.
    pub txt: Option<Result<Vec<u8>, String>>,
}

/// A kind of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Text {
    Cls,
    Json,
    Txt,
}

impl Text {
    pub const ALL: [Text; 3] = [Text::Cls, Text::Json, Text::Txt];

    pub fn of(suffix: &str) -> Option<Text> {
        Text::ALL.into_iter().find(|text| text.suffix() == suffix)
    }

    pub fn suffix(self) -> &'static str {
        match self {
            Text::Cls => "cls",
            Text::Json => "json",
            Text::Txt => "txt",
        }
    }
}

impl Texts {
    pub(super) fn place(&mut self, text: Text) -> &mut Option<Result<Vec<u8>, String>> {
        match text {
            Text::Cls => &mut self.cls,
            Text::Json => &mut self.json,
            Text::Txt => &mut self.txt,
        }
    }
}

/// What a job asks of the texts beside an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Its class, from `.cls` or `.json`.
    pub class: bool,
    /// Columns that only `.json` has.
    pub columns: bool,
    /// The column `txt`, from `.json` or `.txt`.
    pub txt: bool,
}

/// The texts that an image is without although the job asks for them, in the order of [`Text::ALL`].
pub(super) type Missing = [bool; 3];

impl Asked {
    /// Does the job look at texts of this kind?
    pub(super) fn looks_at(self, text: Text) -> bool {
        match text {
            Text::Cls => self.class,
            Text::Json => self.class || self.columns || self.txt,
            Text::Txt => self.txt,
        }
    }

    /// Does the job ask for more of a `.json` than a class?
    pub(super) fn asks_for_json(self) -> bool {
        self.columns || self.txt
    }

    /// Returns which texts an image with these texts is missing. A text that cannot be read is not missing: its row is
    /// an error row.
    pub(super) fn missing(self, texts: &Texts) -> Missing {
        let json = match &texts.json {
            None => Some(Map::new()),
            Some(_) if !(self.class && texts.cls.is_none() || self.txt && texts.txt.is_none()) => None,
            Some(Ok(json)) => serde_json::from_slice(json).ok(),
            Some(Err(_)) => None,
        };
        let without = |has: fn(&Map<String, Json>) -> bool| json.as_ref().is_some_and(|json| !has(json));
        let cls = self.class && texts.cls.is_none() && without(|json| class_in(json).is_some());
        let txt = self.txt && texts.txt.is_none() && without(|json| has_value(json, "txt"));
        [cls, texts.json.is_none() && (cls || txt || self.columns), txt]
    }
}

/// The class in a `.json`.
pub(super) fn class_in(json: &Map<String, Json>) -> Option<&Json> {
    TARGET_KEYS.into_iter().find_map(|key| json.get(key))
}

fn has_value(json: &Map<String, Json>, key: &str) -> bool {
    json.get(key).is_some_and(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(members: &[(Text, &str)]) -> Texts {
        let mut texts = Texts::default();
        for (kind, text) in members {
            *texts.place(*kind) = Some(Ok(text.as_bytes().to_vec()));
        }
        texts
    }

    #[test]
    fn a_class_is_missing_where_neither_the_cls_nor_the_json_has_one() {
        let asked = Asked { class: true, ..Asked::default() };
        for (members, missing) in [
            (&[][..], [true, true, false]),
            (&[(Text::Cls, "7")], [false; 3]),
            (&[(Text::Json, "{\"label\":7}")], [false; 3]),
            (&[(Text::Json, "{\"width\":7}")], [true, false, false]),
            // its row reports that it is broken
            (&[(Text::Json, "{")], [false; 3]),
            (&[(Text::Txt, "words")], [true, true, false]),
        ] {
            assert_eq!(asked.missing(&texts(members)), missing, "{members:?}");
            assert_eq!(Asked::default().missing(&texts(members)), [false; 3]);
        }
    }

    #[test]
    fn columns_are_missing_without_a_json_and_a_caption_without_any_text() {
        let columns = Asked { columns: true, ..Asked::default() };
        let caption = Asked { txt: true, ..Asked::default() };
        for (members, without_columns, without_caption) in [
            (&[][..], [false, true, false], [false, true, true]),
            (&[(Text::Cls, "7")], [false, true, false], [false, true, true]),
            (&[(Text::Json, "{\"txt\":null}")], [false; 3], [false, false, true]),
            (&[(Text::Json, "{\"txt\":\"x\"}")], [false; 3], [false; 3]),
            (&[(Text::Txt, "words")], [false, true, false], [false; 3]),
        ] {
            assert_eq!(columns.missing(&texts(members)), without_columns, "{members:?}");
            assert_eq!(caption.missing(&texts(members)), without_caption, "{members:?}");
        }
    }
}
