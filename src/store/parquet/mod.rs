//! Parquet objects: the footer, one row group in memory or in windows, and what is checked before the library reads it.

mod chunks;
mod delta;
mod depth;
mod format;
mod group;
mod guard;
mod object;
mod page;
mod thrift;
mod windows;

pub use group::{GroupRead, Leaf};
pub use guard::{guard_parquet, guard_parquet_result};
pub use object::{ParquetObject, ParquetReadError};
pub use windows::{PieceRequest, WindowedGroup};
