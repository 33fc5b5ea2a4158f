//! Minimizes a failing case, so that its cause is easier to see.

use crate::configs::is_valid;
use crate::round::{Case, Fault, Workspace};
use serde_json::Value;

/// Maximum number of attempts for one case.
const MAX_ATTEMPTS: usize = 250;

/// The smallest case found that fails in the same way.
pub fn minimize(workspace: &Workspace, case: &Case, fault: Fault) -> (Case, Fault) {
    let attempts_left = if fault.is_slow() { 10 } else { MAX_ATTEMPTS };
    let mut search = Search {
        workspace,
        best: case.clone(),
        fault,
        attempts_left,
    };
    while search.attempts_left > 0 && (search.shorten_config() | search.shorten_steps()) {}
    (search.best, search.fault)
}

struct Search<'a> {
    workspace: &'a Workspace,
    best: Case,
    fault: Fault,
    attempts_left: usize,
}

impl Search<'_> {
    /// Keeps a case if it fails like the one before.
    fn accept(&mut self, case: Case) -> bool {
        if self.attempts_left == 0 || !is_valid(&case.config) {
            return false;
        }
        self.attempts_left -= 1;
        match self.workspace.run(&case) {
            Err(fault) if fault.kind == self.fault.kind => {
                (self.best, self.fault) = (case, fault);
                true
            }
            _ => false,
        }
    }

    fn shorten_steps(&mut self) -> bool {
        let mut any = false;
        let mut length = self.best.steps.len().div_ceil(2);
        while length > 0 {
            let mut at = 0;
            while at < self.best.steps.len() {
                let mut case = self.best.clone();
                let end = (at + length).min(case.steps.len());
                case.steps.drain(at..end);
                match self.accept(case) {
                    true => any = true,
                    false => at += length,
                }
            }
            length /= 2;
        }
        any
    }

    fn shorten_config(&mut self) -> bool {
        let mut any = false;
        let mut places = Vec::new();
        collect(&self.best.config, &mut Vec::new(), &mut places);
        // Large parts first; within a list, from the end.
        places.sort_by_key(|place| place.len());
        places.reverse();
        places.sort_by_key(|place| place.len());
        for place in places {
            let mut case = self.best.clone();
            if remove(&mut case.config, &place) && self.accept(case) {
                any = true;
            }
        }
        any
    }
}

/// A key or an index.
#[derive(Clone)]
enum Part {
    Key(String),
    Index(usize),
}

fn collect(value: &Value, here: &mut Vec<Part>, places: &mut Vec<Vec<Part>>) {
    let parts: Vec<(Part, &Value)> = match value {
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| (Part::Key(key.clone()), value))
            .collect(),
        Value::Array(array) => array
            .iter()
            .enumerate()
            .map(|(index, value)| (Part::Index(index), value))
            .collect(),
        _ => return,
    };
    for (part, value) in parts {
        here.push(part);
        places.push(here.clone());
        collect(value, here, places);
        here.pop();
    }
}

fn remove(config: &mut Value, place: &[Part]) -> bool {
    let Some((last, above)) = place.split_last() else {
        return false;
    };
    let mut value = config;
    for part in above {
        let inner = match part {
            Part::Key(key) => value.get_mut(key),
            Part::Index(index) => value.get_mut(index),
        };
        match inner {
            Some(inner) => value = inner,
            None => return false,
        }
    }
    match (last, value) {
        (Part::Key(key), Value::Object(object)) => object.remove(key).is_some(),
        (Part::Index(index), Value::Array(array)) if *index < array.len() => {
            array.remove(*index);
            true
        }
        _ => false,
    }
}
