//! Files that import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::imports::Import;

/// The groups of files that need each other, largest first, with the imports that tie each together.
pub fn circles(imports: &BTreeSet<Import>) -> Vec<Vec<&Import>> {
    let mut next: BTreeMap<&Path, BTreeSet<&Path>> = BTreeMap::new();
    for import in imports.iter().filter(|import| !import.in_tests) {
        next.entry(&import.from).or_default().insert(&import.to);
    }
    let reaches = |from: &Path| {
        let mut seen: BTreeSet<&Path> = BTreeSet::new();
        let mut open: Vec<&Path> = next.get(from).into_iter().flatten().copied().collect();
        while let Some(file) = open.pop() {
            if seen.insert(file) {
                open.extend(next.get(file).into_iter().flatten());
            }
        }
        seen
    };
    let reached: BTreeMap<&Path, BTreeSet<&Path>> = next.keys().map(|file| (*file, reaches(file))).collect();
    let mut groups: BTreeMap<BTreeSet<&Path>, Vec<&Import>> = BTreeMap::new();
    for import in imports.iter().filter(|import| !import.in_tests) {
        let back = reached.get(&*import.to).is_some_and(|files| files.contains(&*import.from));
        if back {
            let group = reached[&*import.from]
                .iter()
                .filter(|file| reached.get(*file).is_some_and(|files| files.contains(&*import.from)));
            groups.entry(group.copied().collect()).or_default().push(import);
        }
    }
    let mut circles: Vec<Vec<&Import>> = groups.into_values().collect();
    circles.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
    circles
}

#[cfg(test)]
mod tests {
    use super::super::imports::tests::{A, imports};
    use super::*;

    #[test]
    fn files_that_need_each_other_are_a_circle_and_unit_tests_do_not_count() {
        let back = ("a/b.rs", "use super::c::C; pub struct B;");
        let files = [A, back, ("a/c.rs", "pub struct C(super::B);")];
        let all = imports(&files);
        assert_eq!(circles(&all).len(), 1);
        let tested = ("a/b.rs", "pub struct B; #[cfg(test)] mod tests { use crate::a::c::C; }");
        let all = imports(&[A, tested, ("a/c.rs", "pub struct C(super::B);")]);
        assert!(circles(&all).is_empty());
        assert!(all.iter().any(|import| import.in_tests));
    }
}
