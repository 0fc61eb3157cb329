//! Amazon's S3 Inventory as a manifest: a `manifest.json`, and the files in CSV or Parquet that it describes.

mod csv;
mod description;
mod files;
mod reader;
mod record;

pub(super) use description::{Description, MOST_BYTES};
pub(super) use files::Inventory;
pub(super) use reader::InventoryReader;
pub(super) use record::{Fate, Record, Scope};
