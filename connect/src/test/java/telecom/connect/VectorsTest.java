package telecom.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The file that crates/intake/tests/vectors.rs reads too. */
class VectorsTest {
    private static final Numbers.Plan PLAN = new Numbers.Plan("7", "8", List.of("00", "810"), 10, 6);

    private static String orNull(String text) {
        return text.equals("-") ? null : text;
    }

    @Test
    void everyVectorIsGivenExactly() throws IOException {
        int seen = 0;
        for (var line : Files.readAllLines(Path.of("vectors.tsv"))) {
            if (line.startsWith("#")) {
                continue;
            }
            var cells = line.split("\t", -1);
            var numbers = new Numbers(PLAN, cells[0], Integer.parseInt(cells[1]));
            var expected = new Numbers.Side(orNull(cells[3]), orNull(cells[4]));
            assertEquals(expected, numbers.side(cells[2]), line);
            // Nothing of one number is left for the next one.
            assertEquals(expected, numbers.side(cells[2]), line);
            seen++;
        }
        assertTrue(seen > 40, "only " + seen + " vectors");
    }

    @Test
    void aPrefixThatBeginsAnotherIsLookedForAfterIt() {
        var plan = new Numbers.Plan("7", "", List.of("8", "810"), 10, 6);
        assertEquals("7701000****", new Numbers(plan, "1f".repeat(16), 0).side("81077010000000").mask());
    }

    @Test
    void aTableSNullIsNobody() {
        assertEquals(new Numbers.Side(null, null), new Numbers(PLAN, "1f".repeat(16), 0).side(null));
    }
}
