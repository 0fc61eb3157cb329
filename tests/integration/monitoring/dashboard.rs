//! The dashboard and the alerts read only metrics that a run writes, and the page describes each of these.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{LOCAL, SERVED};
use crate::support::{ask_python, root};

/// Words of PromQL in places where a metric may be: operators, modifiers, aggregations without their parenthesis.
const WORDS: [&str; 34] = [
    "and",
    "or",
    "unless",
    "atan2",
    "bool",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "offset",
    "inf",
    "nan",
    "start",
    "end",
    "sum",
    "min",
    "max",
    "avg",
    "group",
    "stddev",
    "stdvar",
    "count",
    "count_values",
    "bottomk",
    "topk",
    "quantile",
    "limitk",
    "limit_ratio",
    "anchored",
    "smoothed",
    "fill",
    "fill_left",
];
/// Of these, a list of labels follows.
const BEFORE_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// The metrics that a PromQL expression names. Texts, matchers and ranges are passed over, and so are functions, which
/// a parenthesis follows, and lists of labels.
fn metrics_of(expression: &str) -> BTreeSet<String> {
    let characters: Vec<char> = expression.chars().collect();
    let skip = |from: usize, end: char| {
        let length = characters[from + 1..].iter().position(|character| *character == end);
        from + 1 + length.unwrap_or_else(|| panic!("no `{end}` in {expression}")) + 1
    };
    let is_of_word = |character: char| character.is_ascii_alphanumeric() || "_:".contains(character);
    let mut found = BTreeSet::new();
    let mut last = String::new();
    let mut at = 0;
    while at < characters.len() {
        match characters[at] {
            quote @ ('"' | '\'' | '`') => at = skip(at, quote),
            '{' => at = skip(at, '}'),
            '[' => at = skip(at, ']'),
            '(' if BEFORE_LABELS.contains(&last.as_str()) => at = skip(at, ')'),
            letter if letter.is_ascii_alphabetic() || "_:".contains(letter) => {
                let end = (at..characters.len())
                    .find(|at| !is_of_word(characters[*at]))
                    .unwrap_or(characters.len());
                last = characters[at..end].iter().collect();
                at = end;
                let next = characters[at..].iter().find(|character| !character.is_whitespace());
                if next != Some(&'(') && !WORDS.contains(&last.to_lowercase().as_str()) {
                    found.insert(last.clone());
                }
                continue;
            }
            // a number, with its unit
            digit if digit.is_ascii_digit() => {
                let end = (at..characters.len())
                    .find(|at| !is_of_word(characters[*at]) && characters[*at] != '.')
                    .unwrap_or(characters.len());
                at = end;
            }
            space if space.is_whitespace() => {
                at += 1;
                continue;
            }
            _ => at += 1,
        }
        last.clear();
    }
    found
}

pub fn dashboard() -> Value {
    let text = std::fs::read_to_string(root().join("infra/grafana/tresnet_batch.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn rules() -> Vec<Value> {
    let file = root().join("infra/prometheus/alerts.yml");
    ask_python("monitoring.py", &["rules", file.to_str().unwrap()]).as_array().unwrap().clone()
}

/// Every text under this key, however deep.
pub fn texts(value: &Value, key: &str) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value {
                Value::String(text) if name == key => vec![text.clone()],
                other => texts(other, key),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(|item| texts(item, key)).collect(),
        _ => Vec::new(),
    }
}

/// Every metric that the program writes, to local disk or to a store.
fn written() -> BTreeSet<String> {
    [&LOCAL.page, &SERVED.page].iter().flat_map(|page| page.names()).map(str::to_owned).collect()
}

#[track_caller]
fn holds(expressions: &[String]) {
    let written = written();
    for expression in expressions {
        let named = metrics_of(expression);
        assert!(!named.is_empty(), "no metric in {expression}");
        for name in named {
            assert!(written.contains(&name), "no run writes {name}, which {expression} reads");
        }
    }
}

#[test]
fn metrics_are_found_in_an_expression_and_nothing_else_is() {
    for (expression, expected) in [
        ("up", &["up"][..]),
        (
            "sum by (job_name, share) (rate(a_total{x=\"b_total\"}[5m])) / on(share) group_left(x) c:d",
            &["a_total", "c:d"],
        ),
        ("time() - max without(kind) (a_seconds) > 26 * 3600 and 1e9 < 0x1F", &["a_seconds"]),
        ("label_replace(a, \"x\", \"(b) or c\", \"y\", '') unless on () b offset 5m", &["a", "b"]),
        ("topk(3, a) or topk by (x) (3, b) == bool 1", &["a", "b"]),
        ("rate(a[$__rate_interval:1m]) > Inf", &["a"]),
        ("quantile_over_time(0.9, a[1h]) * ignoring(b, c) d", &["a", "d"]),
    ] {
        let expected: BTreeSet<String> = expected.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(metrics_of(expression), expected, "{expression}");
    }
}

#[test]
fn the_dashboard_asks_only_for_metrics_that_a_run_writes() {
    let expressions = texts(&dashboard()["panels"], "expr");
    assert!(expressions.len() >= 12, "{expressions:?}");
    holds(&expressions);
}

#[test]
fn the_dashboards_variables_ask_only_for_metrics_that_a_run_writes() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let queries: Vec<String> = variables
        .iter()
        .filter(|variable| variable["type"] == "query")
        .map(|variable| {
            let query = variable["definition"].as_str().unwrap();
            let inside = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')).unwrap();
            inside.rsplit_once(',').unwrap().0.to_owned()
        })
        .collect();
    assert!(!queries.is_empty());
    holds(&queries);
}

#[test]
fn the_dashboard_can_be_imported_with_any_data_source() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert!(
        variables.iter().any(|variable| variable["type"] == "datasource" && variable["name"] == "datasource")
    );
    // what an import must not bring with it
    assert_eq!(dashboard["id"], Value::Null);
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "the id of `{title}` exists twice");
        if panel["type"] == "row" {
            continue;
        }
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        assert!(panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()), "{title}");
        assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{title}");
    }
    let places: Vec<[u64; 4]> = panels
        .iter()
        .map(|panel| ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap()))
        .collect();
    for (index, [x, y, w, h]) in places.iter().enumerate() {
        assert!(x + w <= 24, "panel {index} leaves the page");
        for [x2, y2, w2, h2] in &places[index + 1..] {
            let apart = x + w <= *x2 || x2 + w2 <= *x || y + h <= *y2 || y2 + h2 <= *y;
            assert!(apart, "panels overlap at {x},{y} and {x2},{y2}");
        }
    }
}

#[test]
fn the_alerts_ask_only_for_metrics_that_a_run_writes_and_say_what_to_do() {
    let rules = rules();
    assert!(rules.len() >= 3, "{rules:?}");
    let expressions: Vec<String> =
        rules.iter().map(|rule| rule["expr"].as_str().unwrap().to_owned()).collect();
    holds(&expressions);
    for rule in &rules {
        assert!(rule["labels"]["severity"].is_string(), "{rule}");
        for text in ["summary", "description"] {
            assert!(rule["annotations"][text].as_str().unwrap().contains("{{ $labels.job_name }}"), "{rule}");
        }
    }
}

#[test]
fn the_page_describes_every_metric_that_a_run_writes_and_no_other() {
    let page = std::fs::read_to_string(root().join("docs/monitoring.md")).unwrap();
    let cells =
        page.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|line| line.split_once('`'));
    let described: BTreeSet<String> = cells
        .map(|(name, _)| name.split('{').next().unwrap().to_owned())
        .filter(|name| name.starts_with("tresnet_batch_"))
        .collect();
    assert_eq!(described, written());
}
