//! Which names are taken for images.

/// Extensions that are taken for images; the bytes decide the format.
pub const IMAGE_EXTENSIONS: [&str; 9] = ["jpg", "jpeg", "jpe", "png", "webp", "gif", "bmp", "tif", "tiff"];

/// Those that version 0.1.0 did not know come last.
const EARLIER: usize = 7;

/// By which rules a name is taken for an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ImageNames {
    /// As version 0.1.0 took them, for the jobs that it began: without TIFF.
    Earlier,
    /// All formats that are read.
    #[default]
    Current,
}

impl ImageNames {
    /// The extensions, without dots and in lower case.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            ImageNames::Earlier => &IMAGE_EXTENSIONS[..EARLIER],
            ImageNames::Current => &IMAGE_EXTENSIONS,
        }
    }

    /// Whether a file with this extension is taken for an image.
    pub fn take(self, extension: &str) -> bool {
        self.extensions().contains(&extension)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_of_version_0_1_0_take_no_tiff() {
        for (extension, expected) in [("bmp", [true, true]), ("tif", [false, true]), ("tiff", [false, true])]
        {
            let taken = [ImageNames::Earlier, ImageNames::Current].map(|names| names.take(extension));
            assert_eq!(taken, expected, "{extension}");
        }
    }
}
