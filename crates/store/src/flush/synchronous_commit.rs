//! What the COMMIT of a flush waits for.

use sqlx::postgres::PgConnection;

use crate::StoreError;

/// The server's setting `synchronous_commit` in the sessions that flush. Whatever it is, the counts are
/// right: a flush that a crash or a failover loses is lost together with its positions, and its records
/// are read again. It decides how much there is to read again, and what a reader at a standby sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SynchronousCommit {
    /// COMMIT waits for no disk at all.
    #[default]
    Off,
    /// COMMIT waits until the server's own disk has it.
    Local,
    /// A synchronous standby has received it.
    RemoteWrite,
    /// A synchronous standby has it on its disk.
    On,
    /// A synchronous standby shows it to its readers.
    RemoteApply,
}

impl SynchronousCommit {
    /// All, with the names that the server gives them.
    pub const ALL: [(&str, SynchronousCommit); 5] = [
        ("off", SynchronousCommit::Off),
        ("local", SynchronousCommit::Local),
        ("remote_write", SynchronousCommit::RemoteWrite),
        ("on", SynchronousCommit::On),
        ("remote_apply", SynchronousCommit::RemoteApply),
    ];

    /// Sets it in this session.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn set(self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let (name, _) = SynchronousCommit::ALL[self as usize];
        sqlx::query("SELECT set_config('synchronous_commit', $1, false)")
            .bind(name)
            .execute(connection)
            .await
            .map_err(StoreError::sql("choosing what a COMMIT waits for"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_name() {
        for (index, (_, value)) in SynchronousCommit::ALL.into_iter().enumerate() {
            assert_eq!(value as usize, index);
        }
    }
}
