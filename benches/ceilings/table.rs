//! The table: what an image costs at each place, and how many images a second go through there at most.

/// The effect of more cores or more parts on a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scales {
    /// One at a time, whatever the machine has.
    No,
    /// One for each of a fixed number of threads of the program, on every machine.
    Threads(usize),
    /// One for each core.
    Cores,
    /// One for each part that is open.
    Parts,
    /// One for each device.
    Devices,
}

/// One place that images go through.
#[derive(Debug)]
pub struct Row {
    pub what: &'static str,
    /// Nanoseconds of an image, by one thread alone.
    pub nanos: f64,
    /// The same where all cores do it at the same time, of which each image waits for the others.
    pub together: Option<f64>,
    pub scales: Scales,
}

/// Below this, a place is named.
const WANTED: f64 = 50_000.0;

fn rounded(number: f64) -> String {
    let digits = if number >= 1000.0 { 10_f64.powf(number.log10().floor() - 2.0) } else { 1.0 };
    format!("{:.0}", (number / digits).round() * digits)
}

impl Row {
    /// Images a second of one of it.
    fn ceiling(&self) -> f64 {
        1e9 / self.nanos.max(self.together.unwrap_or(0.0)).max(1e-3)
    }

    fn most(&self) -> f64 {
        match self.scales {
            Scales::Threads(threads) => self.ceiling() * threads as f64,
            _ => self.ceiling(),
        }
    }

    fn limit(&self) -> String {
        match self.scales {
            Scales::No => rounded(self.ceiling()),
            Scales::Threads(threads) => format!("{} with {threads} threads", rounded(self.most())),
            Scales::Cores => format!("{} a core", rounded(self.ceiling())),
            Scales::Parts => format!("{} an open part", rounded(self.ceiling())),
            Scales::Devices => format!("{} a device", rounded(self.ceiling())),
        }
    }
}

pub fn show(title: &str, rows: &[Row], cores: usize) {
    println!("\n| {title} | ns an image | with {cores} at once | images/s at most |\n|---|---|---|---|");
    for row in rows {
        let together = row.together.map(|nanos| format!("{nanos:.0}")).unwrap_or_default();
        println!("| {} | {:.0} | {together} | {} |", row.what, row.nanos, row.limit());
    }
}

/// Names the places that let fewer images through than a fast device takes.
pub fn name_walls<'a>(rows: impl Iterator<Item = &'a Row>) {
    let mut walls: Vec<&Row> = rows.filter(|row| row.most() < WANTED).collect();
    walls.sort_by(|a, b| a.most().total_cmp(&b.most()));
    println!("\nbelow {WANTED:.0} images/s:");
    for wall in &walls {
        println!("- {}: {}", wall.what, wall.limit());
    }
    if walls.is_empty() {
        println!("- nothing");
    }
}
