//! How far it is, drawn on stderr. Nothing is drawn where that is no terminal.

use indicatif::{BinaryBytes, HumanDuration, ProgressBar, ProgressStyle};
use psfs_core::Progress;

use crate::output::visible;

/// So much of a long name is shown: the bar is to have room beside it.
const NAME_MAX: usize = 24;

/// A bar that goes away when this does.
#[derive(Debug)]
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// `what` is done to so many bytes, if that is known.
    pub(super) fn new(what: &str, size: Option<u64>) -> Self {
        let bar = ProgressBar::no_length();
        bar.set_style(style("{prefix}  {msg}"));
        bar.set_prefix(shortened(&visible(what.as_bytes())));
        let bar = Self(bar);
        if let Some(size) = size {
            bar.size(size);
        }
        bar.0.tick();
        bar
    }

    fn size(&self, size: u64) {
        if self.0.length() != Some(size) {
            self.0
                .set_style(style("{prefix}  {wide_bar} {percent} %  {msg}"));
            self.0.set_length(size);
        }
    }

    /// The end of it that counts bytes on another thread.
    pub(super) fn counter(&self) -> impl Fn(u64) + Send + Sync + 'static {
        let bar = self.0.clone();
        move |bytes| {
            bar.inc(bytes);
            bar.set_message(BinaryBytes(bar.position()).to_string());
        }
    }

    /// Shows how far a file is that is being got.
    pub(super) fn show(&self, progress: &Progress) {
        // First, so that it is drawn with what belongs to it.
        self.0.set_message(told(progress));
        if progress.size > 0 {
            self.size(progress.size);
            self.0.set_position(progress.bytes);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A template that is wrong shows as the crate's own bar, and is seen.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME_MAX) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

fn told(progress: &Progress) -> String {
    if progress.size == 0 {
        return "looking for who has it".to_owned();
    }
    let sources = match progress.sources {
        0 => "no source".to_owned(),
        1 => "1 source".to_owned(),
        many => format!("{many} sources"),
    };
    let left = progress.time_left().map_or_else(String::new, |left| {
        format!("  {:#} left", HumanDuration(left))
    });
    format!(
        "{} of {}  {}/s{left}  {sources}",
        BinaryBytes(progress.bytes),
        BinaryBytes(progress.size),
        BinaryBytes(progress.rate)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_in_words() {
        let mut progress = Progress::default();
        assert_eq!(told(&progress), "looking for who has it");
        progress.bytes = 32 << 20;
        progress.size = 64 << 20;
        progress.rate = 8 << 20;
        progress.sources = 2;
        assert_eq!(
            told(&progress),
            "32.00 MiB of 64.00 MiB  8.00 MiB/s  4s left  2 sources"
        );
    }

    #[test]
    fn a_long_name_leaves_room() {
        assert_eq!(shortened("käse"), "käse");
        let long = "ä".repeat(NAME_MAX + 1);
        assert_eq!(shortened(&long), format!("{}…", &long[..2 * NAME_MAX]));
        assert_eq!(shortened(&long[2..]), &long[2..]);
    }

    #[test]
    fn the_templates_are_sound() {
        for template in ["{prefix}  {msg}", "{prefix}  {wide_bar} {percent} %  {msg}"] {
            ProgressStyle::with_template(template).unwrap();
        }
    }
}
