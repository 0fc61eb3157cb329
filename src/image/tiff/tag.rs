//! Numbers of tags.

pub(super) const WIDTH: u16 = 256;
pub(super) const LENGTH: u16 = 257;
pub(super) const BITS: u16 = 258;
pub(super) const COMPRESSION: u16 = 259;
pub(super) const PHOTOMETRIC: u16 = 262;
pub(super) const FILL_ORDER: u16 = 266;
pub(super) const STRIP_OFFSETS: u16 = 273;
pub(super) const ORIENTATION: u16 = 274;
pub(super) const SAMPLES: u16 = 277;
pub(super) const ROWS_PER_STRIP: u16 = 278;
pub(super) const STRIP_BYTES: u16 = 279;
pub(super) const PLANAR: u16 = 284;
pub(super) const GROUP3_OPTIONS: u16 = 292;
pub(super) const PREDICTOR: u16 = 317;
pub(super) const COLOUR_MAP: u16 = 320;
pub(super) const TILE_WIDTH: u16 = 322;
pub(super) const TILE_LENGTH: u16 = 323;
pub(super) const TILE_OFFSETS: u16 = 324;
pub(super) const TILE_BYTES: u16 = 325;
pub(super) const EXTRA_SAMPLES: u16 = 338;
pub(super) const SAMPLE_FORMAT: u16 = 339;
pub(super) const JPEG_TABLES: u16 = 347;
pub(super) const YCC_COEFFICIENTS: u16 = 529;
pub(super) const YCC_SUBSAMPLING: u16 = 530;
pub(super) const REFERENCE_BLACK_WHITE: u16 = 532;
/// Of a raw photograph in Adobe's format, whose first directory is a preview.
pub(super) const DNG_VERSION: u16 = 50706;

/// All whose values are read, by the crate or here.
pub(super) const READ: &[u16] = &[
    WIDTH,
    LENGTH,
    BITS,
    COMPRESSION,
    PHOTOMETRIC,
    FILL_ORDER,
    STRIP_OFFSETS,
    ORIENTATION,
    SAMPLES,
    ROWS_PER_STRIP,
    STRIP_BYTES,
    PLANAR,
    GROUP3_OPTIONS,
    PREDICTOR,
    COLOUR_MAP,
    TILE_WIDTH,
    TILE_LENGTH,
    TILE_OFFSETS,
    TILE_BYTES,
    EXTRA_SAMPLES,
    SAMPLE_FORMAT,
    JPEG_TABLES,
    YCC_COEFFICIENTS,
    YCC_SUBSAMPLING,
    REFERENCE_BLACK_WHITE,
];
