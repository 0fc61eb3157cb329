//! A terminal that is a little narrower than it is.
//!
//! A bar fills its line. The terminal echoes `^C` after it, and on a full line that begins another one, which nothing
//! clears.

use std::io;

use console::Term;
use indicatif::TermLike;

/// Columns that stay free: room for `^C`.
const MARGIN: u16 = 3;

/// Standard error, without its last columns.
#[derive(Debug)]
pub(super) struct WithMargin(Term);

impl WithMargin {
    pub fn stderr() -> WithMargin {
        WithMargin(Term::stderr())
    }
}

impl TermLike for WithMargin {
    fn width(&self) -> u16 {
        self.0.size().1.saturating_sub(MARGIN).max(1)
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_up(lines)
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_down(lines)
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_right(columns)
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_left(columns)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}
