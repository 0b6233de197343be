//! What `decode` says, in the naive decoder's types. The fuzz target uses both files too.

use std::borrow::Cow;

use event_model::{DeadReason, LazyText, decode};

use super::naive::NaiveView;

pub(crate) fn answer_of_decode(payload: &[u8]) -> Result<NaiveView, DeadReason> {
    let view = decode(payload).map_err(|dead| dead.reason)?;
    Ok(NaiveView {
        event_type: view.event_type.into_owned(),
        region: view.region.into_owned(),
        event_time_micros: view.event_time.micros(),
        duration_seconds: view.duration_seconds,
        data_micro_mb: view.data_micro_mb,
        amount_micro_tenge: view.amount_micro_tenge,
        subscriber_id: view.subscriber_id.map(Cow::into_owned),
        msisdn: view.msisdn.map(Cow::into_owned),
        event_id: whole(view.event_id),
        event_subtype: whole(view.event_subtype),
        counterparty_id: whole(view.counterparty_id),
        cell_tower_id: view.cell_tower_id,
    })
}

fn whole(text: Option<LazyText<'_>>) -> Option<String> {
    text.map(|text| text.get().into_owned())
}
