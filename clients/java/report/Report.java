import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.Callable;

/** What a program reports: lines of JSON on standard output, each outcome once. */
final class Report {
    private static final Set<String> SEEN = new HashSet<>();

    private Report() {}

    static void begin(String client, String version) {
        line("{\"client\":\"" + client + "\",\"version\":\"" + version + "\"}");
    }

    /** Reports that an operation did what it should, or which error it had if that is not null. */
    static void outcome(String operation, String error) {
        line("{\"operation\":\"" + operation + "\"" + (error == null ? "" : ",\"error\":\"" + error + "\"") + "}");
    }

    static void end(String way) {
        line("{\"way\":\"" + way + "\"}");
    }

    /** Ends the program if something is not as it should be. */
    static void check(boolean condition, Object... what) {
        if (!condition) {
            StringBuilder text = new StringBuilder("not as expected:");
            for (Object each : what) {
                text.append(' ').append(each);
            }
            throw new AssertionError(text);
        }
    }

    /** Waits for something that nobody tells. */
    static void until(String what, Callable<Boolean> condition) throws Exception {
        long limit = System.nanoTime() + 60_000_000_000L;
        while (!condition.call()) {
            check(System.nanoTime() < limit, "waiting for", what);
            Thread.sleep(50);
        }
    }

    private static synchronized void line(String text) {
        if (SEEN.add(text)) {
            System.out.println(text);
        }
    }
}
