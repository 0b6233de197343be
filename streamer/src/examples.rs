//! What `--help` gives as examples; a test types each of them.

pub(crate) const STREAMER: &str = "\
Examples:
  streamer --drain                               # count what the topic holds now, then end
  streamer --workers 2 --metrics-addr 127.0.0.1:9464
  streamer status                                # is all well, and where does every partition stand?
  streamer verify                                # is every record accounted for?";

pub(crate) const VERIFY: &str = "\
Examples:
  streamer verify                                # exit 0: every record is accounted for
  streamer verify --json                         # the same for programs";

pub(crate) const COMPARE: &str = "\
Examples:
  streamer compare --with postgres://reader@db.north.example.org/telecom_db --topic north.telecom_events --with-topic telecom_events
  streamer compare --with postgres://reader@db.north.example.org/telecom_db --topic telecom_events --since 2days --json";

pub(crate) const STATUS: &str = "\
Examples:
  streamer status                                # exit 0: all is well
  streamer status --json                         # the same for programs
  streamer status --watch                        # again and again, until Ctrl-C";

pub(crate) const GAPS: &str = "\
Examples:
  streamer gaps                                  # what is halted, why, and what was accepted
  streamer gaps --json                           # the same for programs";

pub(crate) const ACCEPT_GAP: &str = "\
Examples:
  streamer accept-gap --topic telecom_events --partition 2 --reason 'retention was too short' --by alice
  streamer accept-gap --topic telecom_events --partition 2 --from earliest --reason 'the topic was restored'";

pub(crate) const MOVE: &str = "\
Examples:
  streamer move --topic telecom_events --to hub:9092 --to-topic north.telecom_events --dry-run
  streamer move --topic telecom_events --to hub:9092 --to-topic north.telecom_events --source-is-gone --reason 'north burnt down'";

pub(crate) const SETTINGS: &str = "\
Examples:
  streamer settings show                         # as they are stored
  streamer settings set --watermark-delay 5m     # for all streamers, from their next flush on";

pub(crate) const DEAD_LETTERS: &str = "\
Examples:
  streamer dead-letters stats                    # how many, by reason
  streamer dead-letters list --since 24h --limit 20
  streamer dead-letters show telecom_events/0/2/1234
  streamer dead-letters replay --reason timestamp_in_future    # what would be sent; --execute sends it";

pub(crate) const ERASE: &str = "\
Examples:
  streamer erase --subscriber 00c0ffee00c0ffee --reason 'request 17' --dry-run
  streamer erase --subscriber 00c0ffee00c0ffee --reason 'request 17'";

pub(crate) const RULES: &str = "\
Examples:
  streamer rules check rules.toml                # is it one? Needs no server
  streamer rules backtest rules.toml --from 2025-11-01 --to 2025-11-08
  streamer rules apply rules.toml --by alice     # for all partitions, from their stored positions on
  streamer rules off";

pub(crate) const FRAUD: &str = "\
Examples:
  streamer fraud list                            # open cases
  streamer fraud show 17                         # a case's alerts, with what was measured
  streamer fraud confirm 17 --reason 'SIM box' --by alice";
