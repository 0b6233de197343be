//! Names that many keys have in common.

use std::sync::Arc;

use hashbrown::HashSet;

/// Each name once: of ten thousand groups there are four types, and a quarter as many regions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(HashSet<Arc<str>>);

impl Names {
    /// The name, as it is held.
    pub(crate) fn held(&mut self, name: &str) -> Arc<str> {
        Arc::clone(self.0.get_or_insert_with(name, |name| name.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_held_once() {
        let mut names = Names::default();
        let (first, other, second) =
            (names.held("Almaty"), names.held("Astana"), names.held("Almaty"));
        assert_eq!((&*first, &*other), ("Almaty", "Astana"));
        assert!(Arc::ptr_eq(&first, &second));
    }
}
