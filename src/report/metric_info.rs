//! One entry of a table of metrics, and how an entry is found by its name.

/// One figure that gates can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricInfo {
    /// As gates and the JSON spell it. Names are never given another meaning.
    pub name: &'static str,
    /// Follows the number where people read it: ` %` or nothing.
    pub unit: &'static str,
    /// What it measures.
    pub meaning: &'static str,
}

pub(crate) const fn metric(name: &'static str, unit: &'static str, meaning: &'static str) -> MetricInfo {
    MetricInfo { name, unit, meaning }
}

/// The metric of a name among `known`, or the name that comes nearest if one is near.
pub(super) fn find(
    known: &'static [MetricInfo],
    name: &str,
) -> Result<&'static MetricInfo, Option<&'static str>> {
    if let Some(found) = known.iter().find(|m| m.name == name) {
        return Ok(found);
    }
    let typed = name.to_lowercase().replace(['-', ' '], "_");
    let nearest = known.iter().map(|m| (distance(&typed, m.name), m.name)).min();
    // Near: three fifths of the name are as typed.
    Err(nearest.filter(|(edits, name)| edits * 5 <= name.len() * 2).map(|(_, name)| name))
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::super::METRICS;
    use super::*;

    #[test]
    fn the_nearest_name_is_found_only_when_it_is_near() {
        for (typed, nearest) in [
            ("top-1", Some("top1")),
            ("Top5", Some("top5")),
            ("top10", Some("top1")),
            ("macros", Some("macro")),
            ("error_rate", Some("error_fraction")),
            ("accuracy", None),
            ("speed", None),
            ("", None),
        ] {
            assert_eq!(find(&METRICS, typed), Err(nearest), "{typed}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
