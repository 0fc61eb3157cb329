//! What strips and tiles of another format's image have to be.

/// What the components of a JPEG are. The numbers are those of the shim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::image) enum Colours {
    /// As the file's own markers define them; rows have four bytes a pixel.
    OfFile = 0,
    /// Samples, whatever the file's markers define; rows have as many bytes a pixel.
    AsStored = 1,
    /// YCbCr, which becomes RGB of three bytes a pixel.
    FromYcc = 2,
}

/// What a strip or a tile has to be.
#[derive(Debug, Clone, Copy)]
pub(in crate::image) struct Part {
    pub(in crate::image) width: u32,
    /// Rows that are needed.
    pub(in crate::image) rows: u32,
    /// Rows that it may have.
    pub(in crate::image) most_rows: u32,
    pub(in crate::image) samples: u32,
    pub(in crate::image) colours: Colours,
}
