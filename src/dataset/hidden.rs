//! Names that desktops, notebooks and archivers put among images: neither images nor classes.

/// Names without a leading dot, in any case: of folders (archives of macOS, thumbnails of a NAS, Windows) and of files.
const OF_SYSTEMS: [&str; 6] =
    ["__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "Thumbs.db", "desktop.ini"];

/// Returns true if a file or folder of this name is hidden: it begins with a dot, or is one that a system writes. The
/// parts `.` and `..` of a key are no names.
pub fn is_hidden_name(name: &str) -> bool {
    match name.strip_prefix('.') {
        Some(rest) => !matches!(rest, "" | "."),
        None => OF_SYSTEMS.iter().any(|system| name.eq_ignore_ascii_case(system)),
    }
}

/// Returns true if a key's name or one of its folders is hidden.
pub fn is_hidden(key: &str) -> bool {
    key.split('/').any(is_hidden_name)
}

#[cfg(test)]
mod tests {
    use super::is_hidden;

    #[test]
    fn names_with_a_leading_dot_and_those_of_systems_are_hidden_at_any_depth() {
        for key in [
            ".DS_Store",
            "._1.jpg",
            "cat/._1.jpg",
            ".ipynb_checkpoints/1-checkpoint.jpg",
            "cat/.thumbnails/1.jpg",
            "__MACOSX/cat/1.jpg",
            "cat/@eaDir/1.jpg/SYNOFILE_THUMB_M.jpg",
            "$RECYCLE.BIN/1.jpg",
            "cat/Thumbs.db",
            "cat/thumbs.db",
            "..jpg",
            ".jpg",
            ".a.jpg/",
        ] {
            assert!(is_hidden(key), "{key}");
        }
    }

    #[test]
    fn dots_within_a_name_and_parts_that_are_no_names_hide_nothing() {
        for key in
            ["1.jpg", "a.b/1.jpg", "a/./b.jpg", "a/../b.jpg", "/a.jpg", "a//b.jpg", "x.jpg/", "_x.jpg", ""]
        {
            assert!(!is_hidden(key), "{key}");
        }
    }
}
