//! The pictures of a page: the images of the most suspicious findings of each kind.

use tokio::time::Instant;

use crate::evaluation::pictures::{AT_ONCE, Pictures, TIME_LIMIT};
use crate::evaluation::report_input::ReportInput;
use crate::failure::Failure;
use crate::report::html::Exhibit;

use super::finding::{Finding, FindingKind};
use super::findings::Findings;

/// Findings of each kind that have pictures.
pub(super) const PICTURED: u64 = 12;

/// The pictures that go with an audit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AuditGallery {
    pub(super) shown: Vec<ShownFinding>,
    /// Why there are none, or notes about them.
    pub(super) notes: Vec<String>,
}

/// The pictures of one finding.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ShownFinding {
    pub kind: FindingKind,
    pub rank: u64,
    pub image: Exhibit,
    /// The other image, if two are concerned.
    pub other: Option<Exhibit>,
}

impl Findings {
    /// Reads the images of the most suspicious findings and makes them small. An image that cannot be read is a
    /// placeholder, and an input that cannot is a note.
    ///
    /// # Errors
    /// The outputs cannot be read.
    pub(crate) async fn gallery(
        &self,
        own: ReportInput<'_>,
        other: Option<ReportInput<'_>>,
    ) -> Result<AuditGallery, Failure> {
        let pictured: Vec<(FindingKind, u64, &Finding)> =
            self.ranked().filter(|(_, rank, _)| *rank <= PICTURED).collect();
        let (mut rows, mut other_rows) = (Vec::new(), Vec::new());
        for (kind, _, finding) in &pictured {
            rows.push(finding.row);
            let others = if kind.is_between() { &mut other_rows } else { &mut rows };
            others.extend(finding.other);
        }
        let until = Instant::now() + TIME_LIMIT;
        let images = pictures(own, rows, until).await?;
        let others = match other {
            Some(other) => pictures(other, other_rows, until).await?,
            None => Pictures::default(),
        };
        let exhibits = pictured.into_iter().filter_map(|(kind, rank, finding)| {
            let of_other = if kind.is_between() { &others } else { &images };
            let other = finding.other.and_then(|row| of_other.exhibit(row));
            Some(ShownFinding { kind, rank, image: images.exhibit(finding.row)?, other })
        });
        let shown = exhibits.collect();
        Ok(AuditGallery { shown, notes: [images.note, others.note].into_iter().flatten().collect() })
    }
}

/// Reads the images of some rows in the order of the plan, so that a shard is read once or twice.
async fn pictures(of: ReportInput<'_>, mut rows: Vec<u64>, until: Instant) -> Result<Pictures, Failure> {
    rows.sort_unstable();
    rows.dedup();
    let batches: Vec<&[u64]> = rows.chunks(AT_ONCE).collect();
    Pictures::read(&of, &batches, until).await
}
