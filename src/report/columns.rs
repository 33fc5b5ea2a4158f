//! Operations as columns, the format in which a page contains them.
//!
//! Ten thousand operations as objects have megabytes. As columns, with each number as the difference to the previous
//! one and each text as the suffix that it does not share with the previous one, they compress to a few bytes each.

use super::OperationReport;
use super::Outcome;
use crate::config::Origin;
use crate::plan::op::Phase;
use serde::Serialize;

/// Texts, each as the length in characters of the prefix shared with the previous one, and the rest.
#[derive(Debug, Default, Serialize)]
struct TextColumn {
    shared: Vec<usize>,
    rest: Vec<String>,
    #[serde(skip)]
    last: Vec<char>,
}

impl TextColumn {
    fn push(&mut self, text: &str) {
        let text: Vec<char> = text.chars().collect();
        let pairs = text.iter().zip(&self.last);
        let shared = pairs.take_while(|(one, other)| one == other).count();
        self.shared.push(shared);
        self.rest.push(text.iter().skip(shared).collect());
        self.last = text;
    }
}

/// Numbers, each as the difference to the previous one.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
struct NumberColumn {
    differences: Vec<i64>,
    #[serde(skip)]
    last: i64,
}

impl NumberColumn {
    fn push(&mut self, number: u64) {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        self.differences.push(number.saturating_sub(self.last));
        self.last = number;
    }
}

/// Operations of one run, or of all stages of a boot in order.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Columns {
    phase: Vec<Phase>,
    act: TextColumn,
    start: NumberColumn,
    duration: Vec<u64>,
    worker: Vec<u32>,
    /// Dependencies of each, as the distance back to them; negative ones come after it.
    after: Vec<Vec<i64>>,
    outcome: Vec<u8>,
    bytes: Vec<Option<u64>>,
    source: TextColumn,
    /// 0 for operations that no line of a config requested.
    line: NumberColumn,
    column: NumberColumn,
    path: TextColumn,
    /// Cause and remedy of each failed operation, by index.
    failures: Vec<FailureEntry>,
}

#[derive(Debug, Serialize)]
struct FailureEntry {
    index: usize,
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Columns {
    /// Adds operations of one stage, whose ids are their indices in it.
    pub(super) fn extend(&mut self, operations: &[OperationReport]) {
        for operation in operations {
            self.push(operation);
        }
    }

    fn push(&mut self, operation: &OperationReport) {
        let own_id = i64::from(operation.id);
        let after = operation.after.iter().map(|id| own_id - i64::from(*id));
        self.after.push(after.collect());
        self.push_failure(&operation.outcome);
        self.outcome.push(outcome_number(&operation.outcome));
        self.phase.push(operation.phase);
        self.act.push(&operation.act);
        self.start.push(operation.start_us);
        self.duration.push(operation.duration_us);
        self.worker.push(operation.worker);
        self.bytes.push(operation.bytes);
        self.push_origin(operation.origin.as_ref());
    }

    fn push_origin(&mut self, origin: Option<&Origin>) {
        let (source, line, column, path) = match origin {
            Some(origin) => {
                let (line, column) = (origin.line, origin.column);
                (&*origin.source, line, column, origin.path.as_str())
            }
            None => ("", 0, 0, ""),
        };
        self.source.push(source);
        self.line.push(line.into());
        self.column.push(column.into());
        self.path.push(path);
    }

    fn push_failure(&mut self, outcome: &Outcome) {
        if let Outcome::Failed { error, remedy, .. } = outcome {
            self.failures.push(FailureEntry {
                index: self.outcome.len(),
                error: error.clone(),
                remedy: remedy.clone(),
            });
        }
    }
}

/// The index of an outcome in the page's list of their names.
fn outcome_number(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Done => 0,
        Outcome::AlreadyRight => 1,
        Outcome::Skipped => 2,
        Outcome::Failed { .. } => 3,
        Outcome::NotStarted => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_contain_differences() {
        let mut texts = TextColumn::default();
        for text in ["write /a/b", "write /a/c", "", "ü", "üx"] {
            texts.push(text);
        }
        assert_eq!(texts.shared, [0, 9, 0, 0, 1]);
        assert_eq!(texts.rest, ["write /a/b", "c", "", "ü", "x"]);
        let mut numbers = NumberColumn::default();
        for number in [5, 7, 2, u64::MAX] {
            numbers.push(number);
        }
        assert_eq!(numbers.differences, [5, 2, -5, i64::MAX - 2]);
    }
}
