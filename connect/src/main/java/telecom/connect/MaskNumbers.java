package telecom.connect;

import java.util.HashSet;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.cache.Cache;
import org.apache.kafka.common.cache.LRUCache;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigDef.Importance;
import org.apache.kafka.common.config.ConfigDef.Range;
import org.apache.kafka.common.config.ConfigDef.Type;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.AbstractConfig;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.header.ConnectHeaders;
import org.apache.kafka.connect.transforms.Transformation;

/**
 * The gate between an operator's table and Kafka: of each row it lets through the columns in {@code kept} as they are, and
 * of those in {@code numbers} a mask and the keyed pseudonym, as NAME and NAME_pseudonym. Everything else stays behind: other
 * columns, headers, and the key, whose place the first number's pseudonym takes. A row without one of these columns stops the
 * task, for it may hold its numbers under another name. No message of this class shows a value.
 */
public final class MaskNumbers<R extends ConnectRecord<R>> implements Transformation<R> {
    static final String PSEUDONYM = "_pseudonym";
    private static final int SCHEMAS_MAX = 64; // one a table, and one more whenever a table is altered

    private static final ConfigDef CONFIG = new ConfigDef()
            .define("numbers", Type.LIST, Importance.HIGH, "Columns that hold subscribers' numbers")
            .define("kept", Type.LIST, Importance.HIGH, "Columns that are let through as they are")
            .define("key", Type.PASSWORD, Importance.HIGH, "Key of the pseudonyms: SUBSCRIBER_KEY of intake")
            .define("key.epoch", Type.INT, 0, Range.atLeast(0), Importance.LOW, "SUBSCRIBER_KEY_EPOCH of intake")
            .define("country", Type.STRING, "7", Importance.LOW, "Digits of the own country")
            .define("trunk", Type.STRING, "8", Importance.LOW, "What comes before a national number")
            .define("international", Type.LIST, "810,00", Importance.LOW, "What comes before a country's digits")
            .define("national.digits", Type.INT, 10, Importance.LOW, "Digits of a national number without trunk")
            .define("short.digits.max", Type.INT, 6, Importance.LOW, "Up to so many digits are a short code");

    private List<String> numberColumns;
    private List<String> kept;
    private Numbers numbers;
    private final Cache<Schema, Schema> schemas = new LRUCache<>(SCHEMAS_MAX);

    @Override
    public ConfigDef config() {
        return CONFIG;
    }

    @Override
    public void configure(Map<String, ?> settings) {
        var config = new AbstractConfig(CONFIG, settings, false);
        numberColumns = config.getList("numbers");
        kept = config.getList("kept");
        var named = new HashSet<String>();
        for (var column : kept) {
            named.add(column);
        }
        for (var column : numberColumns) {
            if (!named.add(column) || !named.add(column + PSEUDONYM)) {
                throw new ConfigException("column " + column + " is named twice; write it in numbers or in kept, once,"
                        + " and keep no column " + column + PSEUDONYM);
            }
        }
        if (numberColumns.isEmpty()) {
            throw new ConfigException("numbers is empty: name the columns that hold subscribers' numbers");
        }
        var plan = new Numbers.Plan(config.getString("country"), config.getString("trunk"),
                config.getList("international"), config.getInt("national.digits"), config.getInt("short.digits.max"));
        numbers = new Numbers(plan, config.getPassword("key").value(), config.getInt("key.epoch"));
    }

    @Override
    public R apply(R record) {
        if (record.value() == null) {
            return null; // a deletion is no call, and its key may be a number
        }
        if (!(record.value() instanceof Struct row)) {
            throw new DataException("a record of topic " + record.topic() + " is no row with a schema");
        }
        var schema = schemas.get(row.schema());
        if (schema == null) {
            schema = schemaOf(row.schema(), record.topic());
            schemas.put(row.schema(), schema);
        }
        var masked = new Struct(schema);
        for (var column : kept) {
            masked.put(column, row.get(column));
        }
        for (var column : numberColumns) {
            var value = row.get(column);
            var side = numbers.side(value == null ? null : value.toString());
            masked.put(column, side.mask()).put(column + PSEUDONYM, side.pseudonym());
        }
        return record.newRecord(record.topic(), record.kafkaPartition(),
                Schema.OPTIONAL_STRING_SCHEMA, masked.get(numberColumns.get(0) + PSEUDONYM),
                schema, masked, record.timestamp(), new ConnectHeaders());
    }

    private Schema schemaOf(Schema source, String topic) {
        var builder = SchemaBuilder.struct().name(source.name());
        for (var column : kept) {
            builder.field(column, typeOf(column, source, topic));
        }
        for (var column : numberColumns) {
            switch (typeOf(column, source, topic).type()) {
                case STRING, INT64, INT32 -> { }
                default -> throw new DataException("column " + column + " of topic " + topic
                        + " is neither text nor whole numbers; with decimals, set decimal.handling.mode to string");
            }
            builder.field(column, Schema.OPTIONAL_STRING_SCHEMA);
            builder.field(column + PSEUDONYM, Schema.OPTIONAL_STRING_SCHEMA);
        }
        return builder.build();
    }

    private static Schema typeOf(String column, Schema source, String topic) {
        var field = source.field(column);
        if (field == null) {
            throw new DataException("a row of topic " + topic + " has no column " + column
                    + "; name the table's columns as they are, behind a transform that unwraps the row");
        }
        return field.schema();
    }

    @Override
    public void close() { }
}
