//! Every name below `output.uri`, spelled in one place.

use std::time::Duration;

use crate::ids::PartId;

/// No living writer takes longer between a draft and its name.
const OLD_DRAFT: Duration = Duration::from_secs(60 * 60);

/// Names of the objects of one job's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    short_fingerprint: String,
}

impl Layout {
    /// The resolved job, control data.
    pub const JOB: &'static str = "_tresnet/job.json";
    /// Exists if the input's listing turned out to be out of order after the plan's beginning.
    pub const DISORDER: &'static str = "_tresnet/disorder";
    /// Last of all: totals and every part.
    pub const SUCCESS: &'static str = "_SUCCESS";
    /// What a repair removes, while it removes it.
    pub const REPAIR: &'static str = "_repair.json";
    /// Folder of the plan's segments.
    pub const PLAN: &'static str = "_tresnet/plan";
    /// Folder of the report; readers of the directory skip names with an underscore.
    pub const REPORT: &'static str = "_report";

    /// Every folder that is written, the output itself first.
    pub const FOLDERS: [&'static str; 4] = ["", "_tresnet", Self::PLAN, Self::REPORT];

    /// The layout of a job with this fingerprint (hex).
    pub fn new(fingerprint: &str) -> Layout {
        Layout { short_fingerprint: fingerprint.chars().take(8).collect() }
    }

    /// A plan segment. No `.parquet` in the name: it is no data.
    pub fn segment(index: u32) -> String {
        format!("{}/{index:06}", Self::PLAN)
    }

    /// The index of a plan segment by its name; `None` if it is none.
    pub fn segment_index(name: &str) -> Option<u32> {
        let index = name.strip_prefix(Self::PLAN)?.strip_prefix('/')?.parse().ok()?;
        (Self::segment(index) == name).then_some(index)
    }

    /// The file of one part.
    pub fn part(&self, id: PartId) -> String {
        format!("part-{id:06}-{}.parquet", self.short_fingerprint)
    }

    /// The part that a file name is of; `None` if it is none of this job's.
    pub fn part_id(&self, name: &str) -> Option<PartId> {
        let id = name.strip_prefix("part-")?.split('-').next()?.parse().ok().map(PartId)?;
        (self.part(id) == name).then_some(id)
    }

    /// True for a name that a run of this job writes; what else is in the folders belongs to someone else.
    pub fn writes(&self, name: &str) -> bool {
        [Self::JOB, Self::DISORDER, Self::SUCCESS, Self::REPAIR].contains(&name)
            || self.part_id(name).is_some()
            || Self::segment_index(name).is_some()
            || name
                .strip_prefix(Self::REPORT)
                .is_some_and(|rest| ["/report.", "/audit."].iter().any(|stem| rest.starts_with(stem)))
            || name.strip_prefix("_tresnet/").is_some_and(|rest| {
                rest.starts_with("bench-") || rest.starts_with("doctor-") || rest.ends_with(".lock")
            })
    }

    /// True for a draft that no living writer can still need: an old one of this job's, or, once every part is
    /// committed, any draft of a part.
    pub fn is_garbage(&self, name: &str, age: Duration, all_committed: bool) -> bool {
        self.writes(name) && (age >= OLD_DRAFT || all_committed && self.part_id(name).is_some())
    }

    /// True for the job and its plan, which no run makes again.
    pub fn is_control(name: &str) -> bool {
        name == Self::JOB || name.starts_with(Self::PLAN)
    }

    /// True if a name looks like a part file of any job.
    pub fn looks_like_part(name: &str) -> bool {
        name.starts_with("part-")
    }

    /// The lock of a share of the parts, on a local disk.
    pub fn lock(share: &str) -> String {
        format!("_tresnet/{share}.lock")
    }

    /// Where a measurement writes files that it deletes again: control data, never rows.
    pub fn scratch(run: &str) -> String {
        format!("_tresnet/bench-{run}")
    }

    /// Where `doctor` tries which writes the store allows: control data, never rows.
    pub fn probe(run: &str) -> String {
        format!("_tresnet/doctor-{run}")
    }

    /// A file of the report.
    pub fn report(extension: &str) -> String {
        format!("{}/report.{extension}", Self::REPORT)
    }

    /// A file of the audit. Version 0.1.0 leaves it alone.
    pub fn audit(extension: &str) -> String {
        format!("{}/audit.{extension}", Self::REPORT)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::ids::PartId;

    use super::Layout;

    #[test]
    fn a_part_name_is_read_back_only_with_its_own_fingerprint() {
        let layout = Layout::new("0123456789abcdef");
        assert_eq!(layout.part(PartId(7)), "part-000007-01234567.parquet");
        assert_eq!(layout.part_id("part-000007-01234567.parquet"), Some(PartId(7)));
        assert_eq!(layout.part_id("part-1234567-01234567.parquet"), Some(PartId(1234567)));
        for other in
            ["part-000007-89abcdef.parquet", "part-7-01234567.parquet", "part-x-01234567.parquet", "x"]
        {
            assert_eq!(layout.part_id(other), None, "{other}");
        }
    }

    #[test]
    fn a_segment_has_one_name() {
        for index in [0, 12, 1_234_567] {
            assert_eq!(Layout::segment_index(&Layout::segment(index)), Some(index));
        }
        for other in ["_tresnet/plan/7", "_tresnet/plan/000007#1", "_tresnet/plan/", "000007"] {
            assert_eq!(Layout::segment_index(other), None, "{other}");
        }
    }

    #[test]
    fn only_drafts_of_names_that_the_job_writes_are_garbage() {
        let layout = Layout::new("0123456789");
        let hour = Duration::from_secs(3600);
        for name in
            ["notes", "part-000007-76543210.parquet", "_report/mine.txt", "_tresnet/plan/x", "part-7.parquet"]
        {
            assert!(!layout.is_garbage(name, 24 * hour, true), "{name}");
        }
        for name in [
            Layout::SUCCESS,
            Layout::JOB,
            "_tresnet/plan/000000",
            "_report/report.html",
            "_report/audit.json",
        ] {
            assert!(layout.is_garbage(name, hour, false), "{name}");
            // another process that finishes the job may be writing it
            assert!(!layout.is_garbage(name, Duration::ZERO, true), "{name}");
        }
        let part = layout.part(PartId(7));
        assert!(layout.is_garbage(&part, Duration::ZERO, true) && layout.is_garbage(&part, hour, false));
        assert!(!layout.is_garbage(&part, Duration::ZERO, false));
    }
}
