package telecom.connect;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.apache.kafka.common.config.ConfigException;

/**
 * Subscribers' numbers in any notation into a mask and a pseudonym: what crates/intake/src/number.rs and
 * crates/pseudonym do, to the last bit. vectors.tsv holds both to it.
 */
final class Numbers {
    private static final int KEY_HEX_DIGITS_MIN = 32;
    private static final int DIGITS_MAX = 15; // ITU-T E.164
    private static final int SHOWN_DIGITS = 7;
    private static final int HIDDEN_DIGITS = 4;
    private static final Set<String> EMPTY = Set.of("NULL", "\\N");
    private static final Pattern NOBODY =
            Pattern.compile("(?i:anonymous|unknown|private|restricted|unavailable|<null>|s)?");
    private static final Pattern SCHEME = Pattern.compile("^(?i:sips?|tel):");
    private static final Pattern AROUND = Pattern.compile("^\\p{IsWhite_Space}+|\\p{IsWhite_Space}+$");
    private static final Pattern NUMBER = Pattern.compile("[ \\-()./]*(\\+?)([0-9 \\-()./]*)");

    /** How the source writes numbers; the same five settings, with the same defaults, as a mapping's [numbers]. */
    record Plan(String country, String trunk, List<String> international, int nationalDigits, int shortDigitsMax) {
        Plan {
            // 810 must be seen before a shorter prefix that it may begin with.
            international = international.stream()
                    .sorted(Comparator.comparingInt(String::length).reversed()).toList();
        }
    }

    /** What may be shown of one side: neither leads back to the number without the key. Null: there is none. */
    record Side(String mask, String pseudonym) { }

    private static final Side NOBODY_NAMED = new Side(null, null);

    private final Plan plan;
    private final byte[] epoch;
    private final Mac mac;

    Numbers(Plan plan, String keyHex, int epoch) {
        this.plan = plan;
        this.epoch = epoch == 0 ? new byte[0] : (epoch + ":").getBytes(StandardCharsets.UTF_8);
        try {
            mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(keyOf(keyHex), "HmacSHA256"));
        } catch (GeneralSecurityException error) {
            throw new IllegalStateException("this Java has no HmacSHA256", error);
        }
    }

    /** No error shows any of the key. */
    private static byte[] keyOf(String hex) {
        if (hex.length() < KEY_HEX_DIGITS_MIN || !hex.matches("([0-9A-Fa-f]{2})+")) {
            throw new ConfigException("key can't be used: give at least " + KEY_HEX_DIGITS_MIN
                    + " hex digits, an even number of them, the same as SUBSCRIBER_KEY of intake");
        }
        return HexFormat.of().parseHex(hex);
    }

    Side side(String value) {
        var trimmed = value == null ? "" : trim(value);
        var text = userPart(trimmed);
        if (EMPTY.contains(trimmed) || NOBODY.matcher(text).matches()) {
            return NOBODY_NAMED;
        }
        var matcher = NUMBER.matcher(text);
        if (!matcher.matches()) { // a feature code such as *72, or a name
            return new Side(null, pseudonym(text.toLowerCase(Locale.ROOT)));
        }
        var digits = matcher.group(2).replaceAll("[^0-9]", "");
        if (digits.isEmpty()) {
            return NOBODY_NAMED;
        }
        var full = full(digits, !matcher.group(1).isEmpty());
        if (full == null || full.length() > DIGITS_MAX) { // a short code; or too long for a number
            return new Side(null, pseudonym(full == null ? digits : full));
        }
        var shown = Math.min(SHOWN_DIGITS, Math.max(0, full.length() - HIDDEN_DIGITS));
        return new Side(full.substring(0, shown) + "*".repeat(HIDDEN_DIGITS), pseudonym(full));
    }

    /** The digits, country first; null: a short code or an extension. */
    private String full(String digits, boolean hasPlus) {
        if (hasPlus) {
            return digits;
        }
        if (digits.length() <= plan.shortDigitsMax) {
            return null;
        }
        for (var prefix : plan.international) {
            if (digits.startsWith(prefix) && digits.length() - prefix.length() > plan.shortDigitsMax) {
                return digits.substring(prefix.length());
            }
        }
        if (digits.length() == plan.nationalDigits) {
            return plan.country + digits;
        }
        var isNational = !plan.trunk.isEmpty() && digits.startsWith(plan.trunk)
                && digits.length() - plan.trunk.length() == plan.nationalDigits;
        return isNational ? plan.country + digits.substring(plan.trunk.length()) : digits;
    }

    /** 77010000000 of sip:77010000000@host, tel:… and "Name" &lt;…&gt;. */
    private static String userPart(String text) {
        int from = text.lastIndexOf('<'), to = text.lastIndexOf('>');
        var inner = SCHEME.matcher(from >= 0 && from < to ? text.substring(from + 1, to) : text).replaceFirst("");
        return trim(inner.split("[@;]", 2)[0]);
    }

    private static String trim(String text) {
        return AROUND.matcher(text).replaceAll("");
    }

    private String pseudonym(String text) {
        mac.update(epoch);
        var tag = mac.doFinal(text.getBytes(StandardCharsets.UTF_8));
        return "%016x".formatted(ByteBuffer.wrap(tag).getLong());
    }
}
