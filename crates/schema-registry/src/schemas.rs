//! The schemas that one process knows, by their numbers, and the thread that asks for the others.
//!
//! ```text
//!   workers ── get, look ──► known, or what was said last ◄── asks one after the other ── thread ──► registry
//! ```
//!
//! Keeps I-6: nobody waits longer than [`FIRST_ANSWER`] for the registry, and only for the first answer on a number. What has
//! failed is kept with its reason, and is asked for again when somebody looks: nobody waits for that.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::client::{Failed, Fetched, Registry};
use crate::schema::Schema;

/// So long a worker waits for the first word on a schema: longer than one question may take, so that whoever reads to the end of the
/// log and leaves (`--drain`) does not leave too early.
const FIRST_ANSWER: Duration = Duration::from_secs(6);
/// How often the thread looks whether anybody is left who could ask.
const LOOK_AROUND: Duration = Duration::from_secs(1);

/// What is known of a number.
#[derive(Clone)]
pub(crate) enum Looked {
    Known(Arc<Schema>),
    /// Not known, and why.
    Missing(String),
}

/// All schemas that were met.
pub struct Schemas {
    registry: Registry,
    met: Mutex<BTreeMap<u32, Met>>,
    changed: Condvar,
}

enum Met {
    Known(Arc<Schema>),
    /// Nobody has answered yet.
    Asked,
    /// It could not be had, and whether it is to be asked for again.
    Failed {
        reason: String,
        is_wanted: bool,
    },
}

impl Schemas {
    /// Knows nothing; asks this registry, on a thread that ends after the last user of the schemas has gone.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn new(registry: Registry) -> std::io::Result<Arc<Self>> {
        let schemas = Arc::new(Schemas {
            registry,
            met: Mutex::new(BTreeMap::new()),
            changed: Condvar::new(),
        });
        let asking = Arc::downgrade(&schemas);
        std::thread::Builder::new().name("schemas".to_owned()).spawn(move || {
            while let Some(schemas) = asking.upgrade() {
                schemas.serve();
            }
        })?;
        Ok(schemas)
    }

    /// What this number stands for; waits at most [`FIRST_ANSWER`], as long as nobody has said anything of it.
    pub(crate) fn get(&self, number: u32) -> Looked {
        let mut met = self.lock();
        if matches!(met.entry(number).or_insert(Met::Asked), Met::Asked) {
            self.changed.notify_all();
            let is_asked =
                |met: &mut BTreeMap<u32, Met>| matches!(met.get(&number), Some(Met::Asked));
            let waited = self.changed.wait_timeout_while(met, FIRST_ANSWER, is_asked);
            met = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        self.known(&mut met, number)
    }

    /// The same without any waiting.
    pub(crate) fn look(&self, number: u32) -> Looked {
        self.known(&mut self.lock(), number)
    }

    fn known(&self, met: &mut BTreeMap<u32, Met>, number: u32) -> Looked {
        let address = self.registry.address();
        match met.entry(number).or_insert(Met::Asked) {
            Met::Known(schema) => Looked::Known(Arc::clone(schema)),
            Met::Asked => Looked::Missing(format!(
                "waits for schema {number}: the schema registry at {address} has not answered yet"
            )),
            Met::Failed { reason, is_wanted } => {
                *is_wanted = true;
                self.changed.notify_all();
                Looked::Missing(reason.clone())
            }
        }
    }

    /// Asks for what is wanted, once; waits for it at most [`LOOK_AROUND`].
    fn serve(&self) {
        let nothing_wanted = |met: &mut BTreeMap<u32, Met>| wanted(met).is_none();
        let waited = self.changed.wait_timeout_while(self.lock(), LOOK_AROUND, nothing_wanted);
        let number = wanted(&waited.unwrap_or_else(PoisonError::into_inner).0);
        let Some(number) = number else { return };
        let found = self.registry.fetch(number);
        let found = self.judged(number, found);
        self.lock().insert(number, found);
        self.changed.notify_all();
    }

    fn judged(&self, number: u32, found: Result<Fetched, Failed>) -> Met {
        let address = self.registry.address();
        let reason = match found {
            Ok(fetched) => match Schema::of(&fetched) {
                Ok(schema) => return Met::Known(Arc::new(schema)),
                Err(fault) => format!(
                    "schema {number} of the registry at {address} can't be read by this program: {fault}"
                ),
            },
            Err(Failed::Unknown) => format!(
                "the schema registry at {address} knows no schema {number}; it goes on once that is there"
            ),
            Err(Failed::Away(said)) => format!(
                "waits for schema {number}: the schema registry at {address} does not give it: {said}"
            ),
        };
        Met::Failed { reason, is_wanted: false }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Met>> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first number that is to be asked for. One that fails is not wanted again before somebody looks.
fn wanted(met: &BTreeMap<u32, Met>) -> Option<u32> {
    let is_wanted = |met: &Met| matches!(met, Met::Asked | Met::Failed { is_wanted: true, .. });
    met.iter().find(|(_, met)| is_wanted(met)).map(|(number, _)| *number)
}
