import java.net.URI;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.connectors.kinesis.FlinkKinesisConsumer;
import org.apache.flink.streaming.connectors.kinesis.FlinkKinesisProducer;
import org.apache.flink.streaming.connectors.kinesis.KinesisPartitioner;
import org.apache.flink.util.CloseableIterator;

/**
 * Two jobs of Apache Flink in one process: the first reads a stream by polling and writes what it reads to another stream, the
 * second reads that one by enhanced fan-out.
 */
final class Flink {
    static final URI ENDPOINT = URI.create(System.getenv("MILLRACE_ENDPOINT"));
    static final int RECORDS = Integer.parseInt(System.getenv("MILLRACE_RECORDS"));

    static volatile boolean finished;

    static Properties common() {
        Properties p = new Properties();
        p.setProperty("aws.region", System.getenv("AWS_REGION"));
        p.setProperty("aws.endpoint", ENDPOINT.toString());
        p.setProperty("aws.credentials.provider", "ENV_VAR");
        p.setProperty("aws.trust.all.certificates", "true"); // of the client for fan-out
        p.setProperty("flink.stream.initpos", "TRIM_HORIZON");
        return p;
    }

    static FlinkKinesisProducer<String> sink(String stream) {
        Properties p = new Properties();
        p.setProperty("aws.region", System.getenv("AWS_REGION"));
        p.setProperty("aws.credentials.provider", "ENV_VAR");
        p.setProperty("KinesisEndpoint", ENDPOINT.getHost());
        p.setProperty("KinesisPort", String.valueOf(ENDPOINT.getPort()));
        p.setProperty("CloudwatchEndpoint", ENDPOINT.getHost());
        p.setProperty("CloudwatchPort", String.valueOf(ENDPOINT.getPort()));
        p.setProperty("VerifyCertificate", "false");
        p.setProperty("AggregationEnabled", "false");
        FlinkKinesisProducer<String> sink = new FlinkKinesisProducer<>(new SimpleStringSchema(), p);
        sink.setDefaultStream(stream);
        sink.setFailOnError(true);
        sink.setCustomPartitioner(new ByContent());
        return sink;
    }

    /** The key of a record is its text. */
    static final class ByContent extends KinesisPartitioner<String> {
        @Override
        public String getPartitionId(String element) {
            return element;
        }
    }

    public static void main(String[] args) throws Exception {
        Report.begin("Apache Flink, flink-connector-kinesis", "4.3.0-1.19 (Flink 1.20.5)");
        StreamExecutionEnvironment first = StreamExecutionEnvironment.createLocalEnvironment(1);
        first.addSource(new FlinkKinesisConsumer<>("flink-in", new SimpleStringSchema(), common())).addSink(sink("flink-out"));
        JobClient copying = first.executeAsync("copy");
        copying.getJobExecutionResult().whenComplete((result, failure) -> {
            if (failure != null && !finished) {
                failure.printStackTrace();
                System.exit(1);
            }
        });

        Properties fanOut = common();
        fanOut.setProperty("flink.stream.recordpublisher", "EFO");
        fanOut.setProperty("flink.stream.efo.consumername", "flink");
        StreamExecutionEnvironment second = StreamExecutionEnvironment.createLocalEnvironment(1);
        Set<String> got = new TreeSet<>();
        try (CloseableIterator<String> records = second.addSource(new FlinkKinesisConsumer<>("flink-out", new SimpleStringSchema(), fanOut)).executeAndCollect("read")) {
            for (int i = 0; i < RECORDS; i++) {
                Report.check(records.hasNext(), "the job ended after", i);
                Report.check(got.add(records.next()), "a record twice");
            }
        }
        for (int i = 0; i < RECORDS; i++) {
            Report.check(got.contains("record " + i), "record", i, "is not there");
        }
        finished = true;
        copying.cancel().get();
        Report.end("HTTP/1.1 and HTTP/2, TLS, CBOR");
        System.exit(0); // threads of the library stay
    }
}
