//! A ticket as a QR code for terminals: two modules in a character, one above the other.

use qrcode::{Color, EcLevel, QrCode};

use crate::failure::Failure;

/// What readers need around a code, in modules.
const QUIET: usize = 4;

/// The code, a line for each two rows. `coloured`: black on white whatever the terminal's colours are; else full blocks are dark.
pub(super) fn drawn(ticket: &str, coloured: bool) -> Result<String, Failure> {
    // Of capital letters more than half as many again go into a code, and tickets are read in any.
    let code = QrCode::with_error_correction_level(ticket.to_uppercase(), EcLevel::L).map_err(
        |error| {
            Failure::new(
                format!("the ticket cannot be shown as a QR code: {error}"),
                "Leave out --qr.",
            )
        },
    )?;
    let (width, colours) = (code.width(), code.into_colors());
    let side = width + 2 * QUIET;
    let dark = |x: usize, y: usize| {
        let inside = QUIET..QUIET + width;
        inside.contains(&x)
            && inside.contains(&y)
            && colours[(y - QUIET) * width + x - QUIET] == Color::Dark
    };
    let mut text = String::new();
    for y in (0..side).step_by(2) {
        if coloured {
            text.push_str("\x1b[38;5;16;48;5;231m");
        }
        text.extend((0..side).map(|x| match (dark(x, y), dark(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        }));
        if coloured {
            text.push_str("\x1b[0m");
        }
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_character_is_two_modules() {
        let ticket = "psfs1abcdefghij";
        let code = QrCode::with_error_correction_level("PSFS1ABCDEFGHIJ", EcLevel::L).unwrap();
        // Capital letters and digits alone: the smallest there is.
        assert_eq!(code.width(), 21);
        let text = drawn(ticket, false).unwrap();
        let lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
        assert_eq!(lines.len(), 15);
        for (y, row) in code.to_colors().chunks(21).enumerate() {
            for (x, colour) in row.iter().enumerate() {
                let both = lines[(y + QUIET) / 2][x + QUIET];
                let here = match (y + QUIET) % 2 {
                    0 => both == '█' || both == '▀',
                    _ => both == '█' || both == '▄',
                };
                assert_eq!(here, *colour == Color::Dark, "{x} {y}");
            }
        }
        let quiet = |line: &[char]| line.iter().all(|c| *c == ' ');
        assert!(quiet(&lines[0]) && quiet(&lines[1]) && !quiet(&lines[2]));
        assert!(
            lines
                .iter()
                .all(|line| line.len() == 29 && quiet(&line[..4]))
        );
    }

    #[test]
    fn what_is_too_long_says_so() {
        let failure = drawn(&"a".repeat(5000), true).unwrap_err();
        assert!(failure.line().unwrap().ends_with("Leave out --qr."));
    }
}
