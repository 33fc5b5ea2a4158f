//! A plan as a self-contained page: disks before and after to scale, then the same outline as in the text.
//!
//! The page has no scripts: it is rendered here, with all external text escaped.

use super::Source;
use crate::output;
use crate::plan::op::{Effect, Plan};
use crate::plan::show::{OutlineItem, PartitionPlace, Summary, TableChange, outline};
use crate::text::{escaped_lines, human_size};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

const STYLE: &str = include_str!("page/page.css");
const PLAN_STYLE: &str = include_str!("page/plan.css");

/// Writes the page of a plan atomically, readable by its owner only.
///
/// # Errors
/// If it cannot be written; the error names the file.
pub(crate) fn write(
    plan: &Plan,
    digest: &str,
    sources: &[Source],
    path: &Path,
) -> anyhow::Result<()> {
    output::write(path, "the page", page(plan, digest, sources).as_bytes())
}

fn page(plan: &Plan, digest: &str, sources: &[Source]) -> String {
    let mut html = String::new();
    head(&mut html, plan, digest, sources);
    losses(&mut html, plan);
    let mut is_open = false;
    for warning in &plan.warnings {
        let text = html_text(&warning.to_string()).into_owned();
        let _ = writeln!(html, "<p class=\"warn warning\">{text}</p>");
    }
    for item in outline(plan, true).into_items() {
        write_item(&mut html, &item, &mut is_open);
    }
    close(&mut html, &mut is_open);
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

fn head(html: &mut String, plan: &Plan, digest: &str, sources: &[Source]) {
    let count = Summary::of(plan);
    let verdict = match count.is_nothing() {
        true => "Nothing to do".to_owned(),
        false => format!(
            "{} to create, {} to change, {} to destroy",
            count.create, count.change, count.destroy
        ),
    };
    let _ = write!(
        html,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>kindling plan: {verdict}</title>\n\
         <style>\n{STYLE}{PLAN_STYLE}</style>\n</head>\n<body>\n<header>\n<h1>kindling plan</h1>\n\
         <p id=\"verdict\">{verdict}</p>\n<dl id=\"about\">\n<dt>Already right</dt><dd>{}</dd>\n",
        count.keep
    );
    for source in sources {
        let digest: String = source.sha512.chars().take(16).collect();
        let name = html_text(&source.name);
        let _ = writeln!(html, "<dt>Config</dt><dd>{name} (sha512 {digest}...)</dd>");
    }
    let digest = html_text(digest);
    let _ = write!(
        html,
        "<dt>Plan</dt><dd class=\"mono\">{digest}</dd>\n</dl>\n</header>\n<main>\n"
    );
}

/// Lists what is destroyed, before everything else.
fn losses(html: &mut String, plan: &Plan) {
    let destructive = plan.operations.iter().filter(|o| !o.destroys.is_empty());
    let mut cards = String::new();
    for operation in destructive {
        for what in &operation.destroys {
            let _ = write!(cards, "<li>{}", html_text(what));
            if let Some(origin) = &operation.origin {
                let place = format!("{}:{}", origin.source, origin.line);
                let _ = write!(
                    cards,
                    " <span class=\"origin\">{}</span>",
                    html_text(&place)
                );
            }
            cards.push_str("</li>\n");
        }
    }
    if !cards.is_empty() {
        let _ = write!(
            html,
            "<section class=\"failure\">\n<h2 class=\"bad\">This destroys data</h2>\n<ul>\n{cards}</ul>\n</section>\n"
        );
    }
}

fn write_item(html: &mut String, item: &OutlineItem, is_open: &mut bool) {
    match item {
        OutlineItem::Disk { name, change } => {
            section(html, &format!("disk {name}"), is_open);
            if let Some(change) = change {
                bars(html, change);
            }
            html.push_str("<ul class=\"outline\">\n");
        }
        OutlineItem::Heading(heading) => {
            section(html, heading, is_open);
            html.push_str("<ul class=\"outline\">\n");
        }
        OutlineItem::Line {
            depth,
            effect,
            text,
            origin,
        } => line(html, *depth, *effect, text, origin.as_ref()),
        // Warnings have been written before the outline.
        OutlineItem::Warning(_) | OutlineItem::Gap => close(html, is_open),
    }
}

fn section(html: &mut String, heading: &str, is_open: &mut bool) {
    close(html, is_open);
    *is_open = true;
    let _ = writeln!(html, "<section>\n<h2>{}</h2>", html_text(heading));
}

fn close(html: &mut String, is_open: &mut bool) {
    if std::mem::take(is_open) {
        html.push_str("</ul>\n</section>\n");
    }
}

fn line(
    html: &mut String,
    depth: usize,
    effect: Option<Effect>,
    text: &str,
    origin: Option<&(String, u32)>,
) {
    let _ = write!(html, "<li style=\"--depth: {depth}\"");
    if let Some(effect) = effect {
        let (class, symbol) = effect_class(effect);
        let _ = write!(
            html,
            " class=\"{class}\"><abbr title=\"{class}\">{symbol}</abbr> "
        );
    } else {
        html.push('>');
    }
    html.push_str(&html_text(text));
    if let Some((source, number)) = origin {
        let _ = write!(
            html,
            " <span class=\"origin\">{}:{number}</span>",
            html_text(source)
        );
    }
    html.push_str("</li>\n");
}

/// The name of an effect, which is also the CSS class of its line, and its symbol.
fn effect_class(effect: Effect) -> (&'static str, &'static str) {
    match effect {
        Effect::Create => ("create", "+"),
        Effect::Change => ("change", "~"),
        Effect::Destroy => ("destroy", "-"),
        Effect::Keep => ("keep", "="),
        Effect::Skip => ("skip", "!"),
        Effect::Step => ("step", "&gt;"),
    }
}

/// The partitions of a disk to scale, before and after.
fn bars(html: &mut String, change: &TableChange) {
    match &change.before {
        Some(places) => bar(html, "before", change, places),
        None => {
            html.push_str("<p class=\"hint\">before: no partition table that can be read</p>\n")
        }
    }
    bar(html, "after", change, &change.after);
}

fn bar(html: &mut String, when: &str, change: &TableChange, places: &[PartitionPlace]) {
    let size = |sectors: u64| human_size(sectors.saturating_mul(u64::from(change.sector_bytes)));
    let mut labels = Vec::new();
    let mut pieces = String::new();
    let mut at = 0;
    for place in places {
        free(&mut pieces, place.start.saturating_sub(at), change.sectors);
        let text = format!("{} {} {}", place.number, place.label, size(place.sectors));
        let text = html_text(&text).into_owned();
        let _ = write!(
            pieces,
            "<span class=\"{}\" style=\"width: {}%\" title=\"{text}\">{text}</span>",
            effect_class(place.effect).0,
            percent(place.sectors, change.sectors)
        );
        labels.push(text);
        at = place.start.saturating_add(place.sectors);
    }
    free(
        &mut pieces,
        change.sectors.saturating_sub(at),
        change.sectors,
    );
    let labels = match labels.is_empty() {
        true => "no partitions".to_owned(),
        false => labels.join(", "),
    };
    let total = size(change.sectors);
    let _ = writeln!(
        html,
        "<div class=\"disk\"><b>{when}</b><div class=\"bar\" role=\"img\" aria-label=\"{when}, {total}: {labels}\">{pieces}</div></div>"
    );
}

fn free(pieces: &mut String, sectors: u64, whole: u64) {
    if sectors > 0 {
        let _ = write!(
            pieces,
            "<span class=\"free\" style=\"width: {}%\"></span>",
            percent(sectors, whole)
        );
    }
}

/// A percentage with two decimal places.
fn percent(part: u64, whole: u64) -> String {
    let hundredths = u128::from(part) * 10_000 / u128::from(whole.max(1));
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Escapes text for HTML elements and attributes. Unprintable characters are escaped first, as for a terminal.
fn html_text(text: &str) -> Cow<'_, str> {
    let text = escaped_lines(text);
    if !text.contains(['&', '<', '>', '"']) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn external_text_is_escaped() {
        assert_eq!(html_text("a<b>&\"c\""), "a&lt;b&gt;&amp;&quot;c&quot;");
        assert!(!html_text("\u{1b}[31m").contains('\u{1b}'));
    }

    #[test]
    fn percentages_have_two_decimals() {
        assert_eq!(percent(1, 3), "33.33");
        assert_eq!(percent(5, 5), "100.00");
        assert_eq!(percent(1, 0), "100.00");
        assert_eq!(percent(0, 5), "0.00");
    }
}
