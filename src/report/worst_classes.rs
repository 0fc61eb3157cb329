//! The order in which pages list classes.

use super::values::ClassFigures;

/// Returns the classes that are a target or a prediction, lowest recall first and the more frequent first among equals.
/// A class whose rows all failed is as bad as one that is always wrong; a class that is only predicted comes last.
pub(super) fn worst_classes_first(classes: &[ClassFigures]) -> Vec<&ClassFigures> {
    let mut seen: Vec<&ClassFigures> =
        classes.iter().filter(|c| c.support + c.errors + c.predicted > 0).collect();
    seen.sort_by(|a, b| {
        badness(a).total_cmp(&badness(b)).then((b.support, a.index).cmp(&(a.support, b.index)))
    });
    seen
}

fn badness(class: &ClassFigures) -> f64 {
    class.recall.unwrap_or(if class.errors > 0 { 0.0 } else { f64::INFINITY })
}
