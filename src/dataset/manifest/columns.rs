//! Which columns of a manifest are the keys and the targets: those that the job names, or those known by default.

use serde_json::{Map, Value as Json};

/// Names of the columns of keys and targets, where the job gives them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnNames {
    /// `input.path_column`
    pub key: Option<String>,
    /// `input.target_column`
    pub target: Option<String>,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Keys,
    Targets,
}

impl Holds {
    /// Names that are known, those of earlier versions first: where several are there, the first is read.
    pub fn known(self) -> &'static [&'static str] {
        match self {
            Holds::Keys => {
                &["path", "file_name", "image", "filename", "filepath", "image_path", "key", "url", "uri"]
            }
            Holds::Targets => &["target", "label", "targets", "labels", "class", "class_id"],
        }
    }

    /// The names that version 0.1.0 knew.
    pub fn earlier(self) -> &'static [&'static str] {
        match self {
            Holds::Keys => &self.known()[..3],
            Holds::Targets => &self.known()[..4],
        }
    }

    /// The known names, for a message.
    pub fn listed(self) -> String {
        self.known().iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
    }

    fn setting(self) -> &'static str {
        match self {
            Holds::Keys => "input.path_column",
            Holds::Targets => "input.target_column",
        }
    }

    fn typed(self, names: &ColumnNames) -> Option<&str> {
        match self {
            Holds::Keys => names.key.as_deref(),
            Holds::Targets => names.target.as_deref(),
        }
    }

    /// The position of the column in a header. A name that version 0.1.0 found, exactly as it is written, is found
    /// before any other.
    pub fn place(self, columns: &[String], names: &ColumnNames) -> Option<usize> {
        match self.typed(names) {
            Some(typed) => place_of(columns, typed),
            None => {
                let exact = |known: &&str| columns.iter().position(|column| column == known);
                let trimmed = |known: &&str| columns.iter().position(|column| column.trim() == *known);
                let earlier = self.earlier().iter().find_map(exact);
                earlier.or_else(|| self.known().iter().find_map(trimmed))
            }
        }
    }

    /// Reports that a header has no such column: what was looked for, what is there, what to set.
    pub fn missing(self, columns: &[String], names: &ColumnNames) -> String {
        let setting = self.setting();
        match self.typed(names) {
            Some(typed) => format!("`{setting}` names `{typed}`, but its columns are {}", listed(columns)),
            None => format!(
                "it has no column of {} (named {}; `{setting}` sets another name); its columns are {}",
                if self == Holds::Keys { "keys" } else { "targets" },
                self.listed(),
                listed(columns)
            ),
        }
    }

    /// A notice for a header with several known names: which one is read, and which are not.
    pub fn notice(self, columns: &[String], names: &ColumnNames) -> Option<String> {
        if self.typed(names).is_some() {
            return None;
        }
        let read = self.place(columns, names)?;
        let is_other = |at: usize, name: &str| at != read && self.known().contains(&name.trim());
        let others: Vec<String> = columns
            .iter()
            .enumerate()
            .filter(|(at, name)| is_other(*at, name))
            .map(|(_, name)| format!("`{}`", name.trim()))
            .collect();
        let what = if self == Holds::Keys { "keys" } else { "targets" };
        (!others.is_empty()).then(|| {
            format!(
                "the {what} are read from the column `{}`, not from {}; `{}` chooses another one",
                columns[read].trim(),
                others.join(", "),
                self.setting()
            )
        })
    }

    /// The value in an object of a JSON line. `all`: also by the names that version 0.1.0 did not know.
    pub fn value<'a>(
        self,
        object: &'a Map<String, Json>,
        names: &ColumnNames,
        all: bool,
    ) -> Option<&'a Json> {
        match self.typed(names) {
            Some(typed) => object.get(typed),
            None if all => self.known().iter().find_map(|name| object.get(*name)),
            None => self.earlier().iter().find_map(|name| object.get(*name)),
        }
    }

    /// The name that an object of a JSON line has it under, where only a name that version 0.1.0 did not know does.
    pub fn later_name(self, object: &Map<String, Json>, names: &ColumnNames) -> Option<&'static str> {
        if self.typed(names).is_some() || self.value(object, names, false).is_some() {
            return None;
        }
        self.known().iter().copied().find(|name| object.contains_key(*name))
    }
}

/// The position of a column by its name as it is written, or else without the spaces around it.
pub(super) fn place_of(columns: &[String], name: &str) -> Option<usize> {
    let exact = columns.iter().position(|column| column == name);
    exact.or_else(|| columns.iter().position(|column| column.trim() == name.trim()))
}

/// The first names of a list, for a message.
pub(super) fn listed(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut names: Vec<String> = names.iter().take(SHOWN + 1).map(|name| format!("`{name}`")).collect();
    if names.len() > SHOWN {
        names[SHOWN] = "…".into();
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn typed(key: &str) -> ColumnNames {
        ColumnNames { key: Some(key.into()), target: None }
    }

    #[test]
    fn a_column_is_found_by_every_known_name_with_spaces_around_it_too() {
        for name in Holds::Keys.known() {
            let header = columns(&["note", &format!(" {name} ")]);
            assert_eq!(Holds::Keys.place(&header, &ColumnNames::default()), Some(1), "{name}");
        }
        assert_eq!(Holds::Targets.place(&columns(&["path", "class_id"]), &ColumnNames::default()), Some(1));
        assert_eq!(Holds::Keys.place(&columns(&["photo"]), &ColumnNames::default()), None);
    }

    #[test]
    fn what_version_0_1_0_read_is_read_before_everything_else() {
        let none = ColumnNames::default();
        for (header, read) in [
            (&["filename", "url", "image"][..], 2),
            // this name had no meaning with a space around it
            (&[" path", "file_name"], 1),
            (&["image", "path"], 1),
            (&["url", "key"], 1),
        ] {
            assert_eq!(Holds::Keys.place(&columns(header), &none), Some(read), "{header:?}");
        }
        assert_eq!(Holds::Targets.place(&columns(&["class", "labels"]), &none), Some(1));
    }

    #[test]
    fn a_typed_name_is_the_only_one() {
        let header = columns(&["path", " photo"]);
        assert_eq!(Holds::Keys.place(&header, &typed("photo")), Some(1));
        assert_eq!(Holds::Keys.place(&header, &typed("picture")), None);
        assert!(Holds::Keys.missing(&header, &typed("picture")).contains("`input.path_column`"));
        assert_eq!(Holds::Keys.notice(&columns(&["path", "url"]), &typed("path")), None);
    }

    #[test]
    fn a_header_with_several_known_names_gets_a_notice_that_names_the_rest() {
        let header = columns(&["url", "path", "note", "key"]);
        let notice = Holds::Keys.notice(&header, &ColumnNames::default()).unwrap();
        assert!(notice.contains("column `path`, not from `url`, `key`"), "{notice}");
        assert_eq!(Holds::Targets.notice(&columns(&["path", "label"]), &ColumnNames::default()), None);
    }

    #[test]
    fn a_json_line_says_where_only_a_later_name_is_there() {
        let object = |text: &str| serde_json::from_str::<Map<String, Json>>(text).unwrap();
        let none = ColumnNames::default();
        assert_eq!(Holds::Targets.later_name(&object(r#"{"class": 1}"#), &none), Some("class"));
        for text in [r#"{"class": 1, "label": null}"#, r#"{"path": "a"}"#] {
            assert_eq!(Holds::Targets.later_name(&object(text), &none), None, "{text}");
        }
    }
}
