package telecom.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.source.SourceRecord;
import org.junit.jupiter.api.Test;

class MaskNumbersTest {
    private static final String KEY = "1f".repeat(32);
    private static final String NUMBER = "+77010000001";

    private static MaskNumbers<SourceRecord> transform(Map<String, String> more) {
        var settings = new HashMap<>(Map.of("numbers", "src,dst", "kept", "at,seconds", "key", KEY));
        settings.putAll(more);
        var transform = new MaskNumbers<SourceRecord>();
        transform.configure(settings);
        return transform;
    }

    private static SchemaBuilder columns() {
        return SchemaBuilder.struct().field("at", Schema.INT64_SCHEMA).field("seconds", Schema.INT32_SCHEMA)
                .field("clid", Schema.OPTIONAL_STRING_SCHEMA);
    }

    private static Struct row(Schema src, Object number) {
        var schema = columns().field("src", src).field("dst", Schema.OPTIONAL_STRING_SCHEMA).build();
        return new Struct(schema).put("at", 5L).put("seconds", 61).put("clid", "\"A\" <" + NUMBER + ">").put("src", number);
    }

    private static SourceRecord record(Object key, Struct value) {
        var record = new SourceRecord(Map.of("p", 1), Map.of("lsn", 2L), "pbx.cdr", 0, Schema.OPTIONAL_STRING_SCHEMA, key,
                value == null ? null : value.schema(), value, 7L);
        record.headers().addString("number", NUMBER);
        return record;
    }

    @Test
    void onlyNamedColumnsLeaveAndNumbersAsMaskAndPseudonym() {
        var sent = transform(Map.of()).apply(record(NUMBER, row(Schema.STRING_SCHEMA, NUMBER)));
        var value = (Struct) sent.value();
        assertEquals(List.of("at", "seconds", "src", "src_pseudonym", "dst", "dst_pseudonym"),
                value.schema().fields().stream().map(Field::name).toList());
        assertEquals("7701000****", value.get("src"));
        assertEquals("71594e20c5372cfb".length(), value.getString("src_pseudonym").length());
        assertEquals(value.get("src_pseudonym"), sent.key());
        assertEquals(5L, value.get("at"));
        assertNull(value.get("dst_pseudonym"));
        assertTrue(sent.headers().isEmpty());
        assertFalse(sent.toString().contains("77010000001"), "the number is in the record");
        // What exactly once rests on.
        assertEquals(Map.of("lsn", 2L), sent.sourceOffset());
    }

    @Test
    void numbersInAnyWholeTypeAreTheSameNumber() {
        var transform = transform(Map.of());
        var text = (Struct) transform.apply(record(null, row(Schema.STRING_SCHEMA, NUMBER))).value();
        var whole = (Struct) transform.apply(record(null, row(Schema.INT64_SCHEMA, 77010000001L))).value();
        assertEquals(text.get("src_pseudonym"), whole.get("src_pseudonym"));
        assertThrows(DataException.class,
                () -> transform.apply(record(null, row(Schema.FLOAT64_SCHEMA, 77010000001.0))));
    }

    @Test
    void aRowWithoutANamedColumnStopsTheTaskAndShowsNoValue() {
        var renamed = new Struct(columns().field("caller", Schema.STRING_SCHEMA)
                .field("dst", Schema.OPTIONAL_STRING_SCHEMA).build()).put("at", 5L).put("seconds", 61).put("caller", NUMBER);
        var error = assertThrows(DataException.class, () -> transform(Map.of()).apply(record(null, renamed)));
        assertTrue(error.getMessage().contains("no column src"), error.getMessage());
        assertFalse(error.getMessage().contains("7701"), error.getMessage());
        var unnamed = new SourceRecord(null, null, "pbx.cdr", null, null, null, Schema.STRING_SCHEMA, NUMBER);
        error = assertThrows(DataException.class, () -> transform(Map.of()).apply(unnamed));
        assertFalse(error.getMessage().contains("7701"), error.getMessage());
    }

    @Test
    void aDeletionLeavesNothing() {
        assertNull(transform(Map.of()).apply(record(NUMBER, null)));
    }

    @Test
    void settingsThatDoNotFitAreRefusedWithoutShowingTheKey() {
        for (var wrong : List.of(Map.of("numbers", ""), Map.of("kept", "at,src"), Map.of("numbers", "src,src"),
                Map.of("kept", "src_pseudonym"), Map.of("key", "1f".repeat(15)), Map.of("key", "1f".repeat(16) + "1"),
                Map.of("key", "xyzzy".repeat(8)), Map.of("key", "${env:SUBSCRIBER_KEY}"), Map.of("key.epoch", "-1"))) {
            var error = assertThrows(ConfigException.class, () -> transform(wrong), wrong.toString());
            assertFalse(error.getMessage().contains("1f1f") || error.getMessage().contains("xyzzy"), error.getMessage());
        }
    }
}
