// Prints the value of one test as a record that the caller reads: RS number US json GS newline.
import java.lang.reflect.Array;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

final class MixwrightShow {
    interface Value { Object get() throws Throwable; }

    static void show(int number, Value value) {
        String text;
        try {
            StringBuilder out = new StringBuilder();
            json(out, value.get());
            text = out.toString();
        } catch (Throwable raised) {
            StringBuilder out = new StringBuilder("{\"raised\":");
            string(out, raised.toString());
            text = out.append("}").toString();
        }
        System.out.print("\u001e" + number + "\u001f" + text + "\u001d\n");
        System.out.flush();
    }

    private static void json(StringBuilder out, Object value) {
        if (value == null) out.append("null");
        else if (value instanceof Boolean) out.append(value);
        else if (value instanceof Float || value instanceof Double) number(out, ((Number) value).doubleValue());
        else if (value instanceof Number) out.append(value);
        else if (value instanceof CharSequence || value instanceof Character) string(out, value.toString());
        else if (value instanceof Optional) json(out, ((Optional<?>) value).orElse(null));
        else if (value instanceof Map) {
            String before = "{\"map\":[";
            out.append(((Map<?, ?>) value).isEmpty() ? before : "");
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                out.append(before).append("[");
                json(out, entry.getKey());
                out.append(",");
                json(out, entry.getValue());
                out.append("]");
                before = ",";
            }
            out.append("]}");
        } else if (value instanceof Iterable) {
            boolean isSet = value instanceof Set;
            out.append(isSet ? "{\"set\":[" : "[");
            String before = "";
            for (Object item : (Iterable<?>) value) {
                out.append(before);
                json(out, item);
                before = ",";
            }
            out.append(isSet ? "]}" : "]");
        } else if (value.getClass().isArray()) {
            out.append("[");
            for (int i = 0; i < Array.getLength(value); i++) {
                out.append(i > 0 ? "," : "");
                json(out, Array.get(value, i));
            }
            out.append("]");
        } else {
            out.append("{\"opaque\":");
            string(out, value.getClass().getName());
            out.append("}");
        }
    }

    private static void number(StringBuilder out, double value) {
        if (Double.isNaN(value) || Double.isInfinite(value)) {
            out.append("{\"number\":\"").append(Double.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf").append("\"}");
        } else {
            out.append(value);
        }
    }

    private static void string(StringBuilder out, String text) {
        out.append('"');
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') out.append('\\').append(c);
            else if (c < 0x20 || c >= 0x7f) out.append(String.format("\\u%04x", (int) c));
            else out.append(c);
        }
        out.append('"');
    }
}
