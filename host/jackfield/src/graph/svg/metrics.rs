//! Sizes in pixels, and how wide text gets. There is no font to ask, so widths are estimates on the safe side.

/// Text size of ids and captions.
pub(super) const ID_SIZE: f64 = 13.0;
/// Text size of everything else.
pub(super) const NOTE_SIZE: f64 = 11.5;
/// From one line of a box to the next.
pub(super) const LINE_HEIGHT: f64 = 16.0;
/// Between a border and what is inside.
pub(super) const PADDING: f64 = 10.0;
/// Edges keep so far from the corners of boxes; less than half of [`WIDTH_MIN`].
pub(super) const CORNER: f64 = 16.0;
/// Narrowest box.
pub(super) const WIDTH_MIN: f64 = 96.0;
/// Between two boxes of a row, and between two bodies.
pub(super) const GAP: f64 = 28.0;
/// Between two rows.
pub(super) const ROW_GAP: f64 = 34.0;
/// Height of the caption of a body.
pub(super) const CAPTION_HEIGHT: f64 = 20.0;

/// Width of `text` at a text size. Latin letters count 0.6 of the size, wide scripts and symbols a whole one.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    text.chars().map(|c| if (c as u32) < 0x1100 { 0.6 } else { 1.0 }).sum::<f64>() * size
}
