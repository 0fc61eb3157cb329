//! One row as timm's `validate.py` writes it, for comparison with its published results.

use super::figures::Report;

/// The columns of a row other than the accuracy; a text that is not known stays empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimmRow {
    /// The model's name.
    pub model: String,
    /// Its parameters.
    pub param_count: Option<u64>,
    /// Side of its input in pixels.
    pub img_size: String,
    /// Share of the resized side that the crop keeps.
    pub crop_pct: String,
    /// The filter.
    pub interpolation: String,
}

impl TimmRow {
    /// The columns, in timm's order.
    pub const HEADER: &'static str =
        "model,top1,top1_err,top5,top5_err,param_count,img_size,crop_pct,interpolation";

    /// Header and row, as CSV. Shares are in percent with four digits, parameters in millions with two, as timm
    /// rounds them; a figure that is not known is an empty field.
    pub fn to_csv(&self, report: &Report) -> String {
        let share = |percent: Option<f64>| {
            percent.map_or([String::new(), String::new()], |percent| {
                [format!("{percent:.4}"), format!("{:.4}", 100.0 - percent)]
            })
        };
        let [top1, top1_err] = share(report.top1.map(|share| share.percent));
        let [top5, top5_err] = share(report.top5.map(|share| share.percent));
        let params = self.param_count.map_or(String::new(), |count| format!("{:.2}", count as f64 / 1e6));
        let fields = [
            &self.model,
            &top1,
            &top1_err,
            &top5,
            &top5_err,
            &params,
            &self.img_size,
            &self.crop_pct,
            &self.interpolation,
        ];
        let fields: Vec<String> = fields.into_iter().map(|text| field(text)).collect();
        format!("{}\n{}\n", Self::HEADER, fields.join(","))
    }
}

/// One field, quoted if it must be.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestRow, report};
    use super::*;

    #[test]
    fn the_row_is_timms() {
        let row = TimmRow {
            model: "tresnet_m".to_owned(),
            param_count: Some(31_389_032),
            img_size: "224".to_owned(),
            crop_pct: "0.875".to_owned(),
            interpolation: "bilinear".to_owned(),
        };
        let rows = [
            TestRow::ok(0, &[0, 1, 2, 3, 4]),
            TestRow::ok(1, &[0, 2, 1, 3, 4]),
            TestRow::ok(7, &[0, 1, 2, 3, 4]),
        ];
        assert_eq!(
            row.to_csv(&report(&rows, 10)),
            "model,top1,top1_err,top5,top5_err,param_count,img_size,crop_pct,interpolation\n\
             tresnet_m,33.3333,66.6667,66.6667,33.3333,31.39,224,0.875,bilinear\n"
        );
    }

    #[test]
    fn what_is_not_known_is_empty_and_a_name_cannot_break_the_line() {
        let row = TimmRow { model: "a,\"b\"\nc".to_owned(), ..TimmRow::default() };
        assert!(row.to_csv(&report(&[], 10)).ends_with("\n\"a,\"\"b\"\"\nc\",,,,,,,,\n"));
    }
}
